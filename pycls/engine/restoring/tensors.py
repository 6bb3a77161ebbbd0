"""Whether the tensors of a checkpoint are those that a network has."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pycls.core.registry import listed
from pycls.core.weights.parts import UnreadableFile


def check_tensors(saved: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raise UnreadableFile unless both have the same names, shapes and types, and all numbers are finite.

    `where` names file and part.
    """
    missing, unknown = sorted(expected.keys() - saved.keys()), sorted(saved.keys() - expected.keys())
    if missing:
        raise UnreadableFile(f"{where} lacks {listed(missing, 3)}")
    if unknown:
        raise UnreadableFile(f"{where} has {listed(unknown, 3)}, which the network has not")
    for name, tensor in saved.items():
        check_like(tensor, expected[name], f"{where}: {name}")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise UnreadableFile(f"{where}: {name} has numbers that are not finite")


def check_like(value: Any, expected: Tensor, where: str) -> None:
    """Raise UnreadableFile unless a value is a plain tensor of the same shape and type."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_quantized or value.is_neg():
        raise UnreadableFile(f"{where} is a {type(value).__name__}, expected a plain tensor")
    if value.shape != expected.shape or value.dtype != expected.dtype:
        sizes = f"{describe(value)}, expected {describe(expected)}"
        raise UnreadableFile(f"{where} is {sizes}")


def describe(tensor: Tensor) -> str:
    """Return shape and type in words: "(8, 3, 3, 3) float32"."""
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
