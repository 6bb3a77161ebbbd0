"""Tensors of which every process holds a part (PyTorch's DTensor), and their way into plain ones and back.

A plain tensor passes through all of these functions as it is, so callers never ask whether a run is sharded.
"""

import copy
from typing import Any

from torch import Tensor, nn

from pycls.core.distributed import is_main


def is_sharded(value: Any) -> bool:
    """Tell whether a value is a tensor spread over the processes, without importing what would take a second."""
    return hasattr(value, "full_tensor")


def local_part(tensor: Tensor) -> Tensor:
    """Return this process's part, which shares its memory: what is done to it in place is done to the tensor."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """Return the tensor with the parts of all processes, all of which have to call this."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def whole_state(value: Any) -> Any:
    """Return a copy of a state dict with sharded tensors gathered, one by one, into the main process's memory.

    All processes have to call this; on the others those tensors become None.
    """
    if isinstance(value, dict):
        state = copy.copy(value)  # an OrderedDict of a network keeps the version numbers it carries
        state.update((name, whole_state(part)) for name, part in value.items())
        return state
    if not is_sharded(value):
        return value
    gathered = whole(value)
    return gathered.cpu() if is_main() else None


def shard_like(value: Any, like: Any) -> Any:
    """Cut a whole tensor as `like` is cut, if that is sharded and of the same shape.

    The main process's tensor is handed out, so that the parts always fit together; all processes have to call this.
    """
    if not (is_sharded(like) and isinstance(value, Tensor) and value.shape == like.shape):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, like.device_mesh, like.placements)


def load_whole(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Load a state dict of whole tensors into a module, sharded or not."""
    current, parts = module.state_dict(), copy.copy(state)
    parts.update((name, shard_like(tensor, current.get(name))) for name, tensor in state.items())
    module.load_state_dict(parts)
