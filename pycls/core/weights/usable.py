"""Whether a tensor of a file can be a tensor of a network: how it is stored, and its numbers."""

from collections.abc import Container, Iterable

import torch
from torch import Tensor, nn

# Buffers that follow from the network itself, or count steps: files have them or not, from version to version.
CONSTANTS = (
    "num_batches_tracked",
    "relative_position_index",
    "relative_coords_table",
    "attn_mask",
    "attention_bias_idxs",
)


def num_bytes(model: nn.Module) -> int:
    """Return the size of a network's weights and statistics."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def modules_of(names: Iterable[str]) -> set[str]:
    """Return the modules that hold tensors of these names, and those around them."""
    parents = (name.split(".")[:-1] for name in names)
    return {".".join(parts[:end]) for parts in parents for end in range(len(parts) + 1)}


def is_constant_of(name: str, modules: Container[str]) -> bool:
    """Tell whether a tensor holds nothing that was learned, and lies in one of the modules."""
    module, _, tensor = name.rpartition(".")
    return tensor in CONSTANTS and module in modules


def unreadable(tensor: Tensor) -> str:
    """Return why a tensor holds no plain numbers, "" if it does."""
    if tensor.is_meta:
        return "is without data (a meta tensor)"
    if tensor.is_quantized:
        return "is quantized"
    if tensor.is_nested or tensor.layout is not torch.strided:
        return f"is no dense tensor ({str(tensor.layout).removeprefix('torch.')})"
    return ""


def wrong_numbers(name: str, theirs: Tensor, ours: Tensor) -> str:
    """Return why a file's tensor cannot be the network's `ours` of the same shape, "" if it can.

    Whole or complex numbers in the place of real ones are quantized weights without their scale, say.
    """
    if not ours.is_floating_point():
        return ""
    if not theirs.is_floating_point():
        return f"holds {str(theirs.dtype).removeprefix('torch.')} in the file, floating-point numbers in the network"
    if not torch.isfinite(theirs.to(ours.dtype)).all():  # as the network will hold them: float64 may be out of range
        return "has NaN or infinite numbers"
    if name.endswith("running_var") and (theirs.to(ours.dtype) < 0).any():
        return "has negative variances"
    return ""
