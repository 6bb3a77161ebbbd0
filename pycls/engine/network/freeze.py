"""Frozen stages: parts of a network that keep their weights and statistics while the rest is finetuned."""

from collections.abc import Sequence

from torch import nn

from pycls.core.registry import did_you_mean, listed


def freeze(model: nn.Module, frozen: Sequence[str]) -> None:
    """Take the named parts (`stem`, `s1.b1`; names of `named_modules`) out of the training.

    ValueError for a name that the network does not have, or if nothing is left to train.
    """
    parts = dict(model.named_modules())
    for name in frozen:
        if not name or name not in parts:
            stages = ", ".join(child for child, _ in model.named_children())
            hint = did_you_mean(name, parts)
            raise ValueError(f"TRAIN.FROZEN: the network has no part '{name}'{hint}; it has {stages}")
        parts[name].requires_grad_(False)
    if frozen and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError(f"TRAIN.FROZEN {list(frozen)} leaves nothing to train; leave the classifier out")


def check_frozen(frozen: Sequence[str], fresh: Sequence[str], where: str) -> None:
    """Raise ValueError if tensors that got nothing from the weights file `where` lie in a frozen part."""
    for name in frozen:
        random = [tensor for tensor in fresh if tensor.startswith(f"{name}.")]
        if random:
            some = listed(random, 3)
            raise ValueError(f"TRAIN.FROZEN {name} would keep random weights: {where} has nothing for {some}")


def set_train_mode(model: nn.Module, frozen: Sequence[str] = ()) -> None:
    """Put a network into training mode, its frozen parts into that of evaluation.

    So their batch norms use and keep the statistics they came with, and nothing in them is dropped at random.
    """
    model.train()
    for name in frozen:
        model.get_submodule(name).eval()
