"""Whether a network can be made here: it is built without data first, so that nothing is allocated that has no room."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from pycls.core.machine import free_memory_bytes

_MOST_TENSORS = 10_000  # ResNet-1202 has 3,600; each takes a part of a millisecond even without data
# Of tensors without data nothing has to be filled, and torch would load its compiler to find that out.
_FILLS = ("normal_", "uniform_", "fill_", "zero_", "copy_", "mul_", "add_", "sub_", "div_", "clamp_", "erfinv_")


def check_size(build: Callable[[], nn.Module], what: str) -> None:
    """Raise ValueError for a network that would not fit into the memory that is free, before it is built.

    `what` names the network. One that cannot be built without data, as a network from outside may be, passes.
    """
    try:
        with torch.random.fork_rng([]), torch.device("meta"), _NoFilling(), counted_tensors(what):
            model = build()
    except NotImplementedError:
        return
    check_weights(model, what)


def check_weights(model: nn.Module, what: str) -> None:
    """Raise ValueError, which begins with `what`, for a network whose weights exceed the memory that is free."""
    size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    free = free_memory_bytes()
    if size > free:
        hint = "lower its widths, depths or MODEL.NUM_CLASSES"
        there = f"{free / 1e9:,.1f} GB of memory are free here"
        raise ValueError(f"{what}: the network has {size / 1e9:,.1f} GB of weights, {there}; {hint}")


@contextlib.contextmanager
def counted_tensors(what: str) -> Iterator[None]:
    """Raise ValueError, which begins with `what`, while a network is built that would have too many tensors."""
    left = _MOST_TENSORS

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(
                f"{what}: the network has more than {_MOST_TENSORS:,} tensors of weights; lower its depths"
            )

    handle = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    except RuntimeError as error:  # sizes that a whole number of 64 bits does not hold
        if "overflow" in str(error):
            raise ValueError(f"{what}: the network has a tensor that no memory holds; lower its widths") from None
        raise
    finally:
        handle.remove()


class _NoFilling(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") in _FILLS:
            return (*args, *(kwargs or {}).values())[0]  # the tensor; torch.nn.init names it
        return func(*args, **(kwargs or {}))
