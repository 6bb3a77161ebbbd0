"""What an optimizer keeps of each parameter, found out by a step of a copy that holds no numbers."""

from typing import Any

import torch
from torch import Tensor, nn

from pycls.optim import optimizer_over

Entries = dict[str, Any]  # name -> a tensor without numbers, or a plain value


def kept_entries(cfg: Any, optimizer: torch.optim.Optimizer) -> tuple[list[Entries], list[Entries]]:
    """Return what the config's optimizer keeps of each parameter of `optimizer` after a step, and later on.

    The second of the two are all, with those that come after some steps only: the slow weights of lookahead.
    """
    groups = [
        {**{name: group[name] for name in ("weight_decay", "lr_scale")}, "params": list(map(_like, group["params"]))}
        for group in optimizer.param_groups
    ]
    twin: Any = optimizer_over(cfg, groups)
    twin.step()
    after_a_step = _entries(twin)
    for group in twin.param_groups if hasattr(twin, "update_slow") else []:
        twin.update_slow(group)
    return after_a_step, _entries(twin)


def _like(parameter: Tensor) -> nn.Parameter:
    twin = nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype, device="meta"))
    twin.grad = torch.empty_like(twin)
    return twin


def _entries(optimizer: torch.optim.Optimizer) -> list[Entries]:
    state = optimizer.state_dict()["state"]
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    return [dict(state.get(number, {})) for number in range(count)]
