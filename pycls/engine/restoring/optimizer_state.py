"""The state of an optimizer out of a checkpoint: compared with the parameters, as its kernels do not, and put back."""

import math
from typing import Any

import torch
from torch import Tensor

from pycls.core.dtensor import is_sharded, shard_like
from pycls.core.logging import get_logger
from pycls.core.registry import shown
from pycls.core.weights.parts import UnreadableFile, is_number
from pycls.engine.restoring.tensors import check_like
from pycls.optim.state_shapes import Entries

logger = get_logger(__name__)

# What optimizers of timm count in their groups, besides the numbers of the parameters.
_COUNTERS = ("step", "lookahead_step")
_KEPT = ("params", "lr", *_COUNTERS)
_MOMENTUM = "momentum_buffer"


def check_optimizer(
    saved: dict[str, Any], optimizer: torch.optim.Optimizer, kept: tuple[list[Entries], list[Entries]], where: str
) -> None:
    """Raise UnreadableFile unless a state is one of these parameters: fused kernels would write beyond its tensors.

    `kept`: what the run's optimizer keeps of each parameter (pycls/optim/state_shapes.py); `where` names file and part.
    """
    _check_groups(saved["param_groups"], optimizer, where)
    needed, possible = kept
    state = saved["state"]
    odd = [number for number in state if type(number) is not int or not 0 <= number < len(needed)]
    if odd:
        raise UnreadableFile(f"{where} is of parameter {shown(odd[0])}, there are {len(needed)}")
    for number, entries in state.items():
        _check_entries(entries, needed[number], possible[number], f"{where}: parameter {number}")
    without = [number for number, entries in enumerate(needed) if entries and number not in state]
    if len(without) == len(needed):
        raise UnreadableFile(f"{where} is empty")
    if without:
        count = f"{len(without)} of {len(needed)} parameters"
        logger.warning("%s has nothing of %s: they were not trained, or their averages begin anew", where, count)


def _check_groups(groups: list[dict[str, Any]], optimizer: torch.optim.Optimizer, where: str) -> None:
    """Raise UnreadableFile unless the groups hold as many parameters, and their counters are counts."""
    there, wanted = [group.get("params") for group in groups], _numbers(optimizer)
    if there != wanted:
        sizes = [len(numbers) if isinstance(numbers, list) else None for numbers in there]
        raise UnreadableFile(f"{where} has param_groups of {sizes} parameters, the network {list(map(len, wanted))}")
    for group in groups:
        for name in _COUNTERS:
            if name in group and not _is_count(group[name]):
                raise UnreadableFile(
                    f"{where}: {name} of param_groups is {shown(group[name])}, expected a whole number"
                )
        if not (is_number(group.get("lr")) and 0 <= group["lr"] < math.inf):
            raise UnreadableFile(f"{where}: lr of param_groups is {shown(group.get('lr'))}, expected a number from 0")


def _numbers(optimizer: torch.optim.Optimizer) -> list[list[int]]:
    numbers = iter(range(sum(len(group["params"]) for group in optimizer.param_groups)))
    return [[next(numbers) for _ in group["params"]] for group in optimizer.param_groups]


def _check_entries(saved: Any, needed: Entries, possible: Entries, where: str) -> None:
    """Raise UnreadableFile unless what is kept of a parameter is all that is needed, each of its size and type."""
    if not isinstance(saved, dict):
        raise UnreadableFile(f"{where} has a {type(saved).__name__}, expected its entries by name")
    saved = {name: value for name, value in saved.items() if value is not None}  # torch's way to say: none yet
    for name, expected in possible.items():
        if name not in saved:
            if name in needed:
                raise UnreadableFile(f"{where} lacks {name}")
            continue
        value = saved[name]
        if isinstance(expected, Tensor):
            check_like(value, expected, f"{where}: {name}")
            if torch.isnan(value).any():  # the next step would make NaN of the weight, too; infinite ones need not
                raise UnreadableFile(f"{where}: {name} has NaN")
        if name == "step" and not _is_count(value):
            raise UnreadableFile(f"{where}: {name} is {shown(value)}, expected a whole number")
        if isinstance(expected, bool) and value is not expected:
            raise UnreadableFile(f"{where}: {name} is {shown(value)}, expected {expected}")
    unknown = [name for name in saved if name not in possible]
    if unknown:
        raise UnreadableFile(f"{where} has {shown(unknown[0])}, which this optimizer does not keep")


def _is_count(value: Any) -> bool:
    """Tell whether a value, or the one number of a tensor, is a whole number from 0."""
    if isinstance(value, Tensor):
        if value.dim() or value.layout != torch.strided or value.is_complex():
            return False
        value = value.item()
    return isinstance(value, (int, float)) and math.isfinite(value) and value >= 0 and value == int(value)


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any], needed: list[Entries]) -> None:
    """Put moments and counters back; settings (weight decay ...) are those of the config, as the log says.

    The learning rate is that of the step before: each step sets its own, but a finished run is saved with its last.
    `needed`: what the optimizer keeps of each parameter. Momentum that it has not had so far begins with zeros.
    """
    groups = zip(saved["param_groups"], optimizer.param_groups, strict=True)
    kept = [{**new, **{name: old[name] for name in _KEPT if name in old}} for old, new in groups]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        number: {name: _laid_out(value, parameters[number]) for name, value in entries.items()}
        for number, entries in saved["state"].items()
    }
    for number, names in enumerate(needed):
        entries = state.get(number, {})
        if _MOMENTUM in names and entries.get(_MOMENTUM) is None and (entries or len(names) == 1):
            state[number] = {**entries, _MOMENTUM: torch.zeros_like(parameters[number])}
    optimizer.load_state_dict({"param_groups": kept, "state": state})


def _laid_out(value: Any, parameter: Tensor) -> Any:
    """Return a tensor of a parameter's size as that lies in memory: fused kernels take both for one row of numbers."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape or is_sharded(parameter):
        return shard_like(value, parameter)
    if value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
