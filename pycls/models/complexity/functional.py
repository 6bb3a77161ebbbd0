"""Count products where they are computed, below the layers: functional code, attention above all, has no layer."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_MAX_POOL = torch.ops.aten.max_pool2d_with_indices
_CONVOLUTION, _WITH_BIAS = torch.ops.aten.convolution, torch.ops.aten.addmm


class Products(TorchDispatchMode):
    """A stack of counts, one for each module that runs: multiply-adds, and outputs of products and of max pools.

    Products are convolutions and matrix products of every kind; a bias counts where it is part of the product.
    """

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry  # imports triton, which takes 0.1 s

        super().__init__()
        self._flops = flop_registry
        self._open: list[list[int]] = []

    def open(self) -> None:
        """Begin to count for a module that starts."""
        self._open.append([0, 0])

    def close(self) -> tuple[int, int]:
        """End with the module's (multiply-adds, outputs), without those of the modules inside."""
        flops, acts = self._open.pop()
        return flops, acts

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self._open:
            return out
        operator, count = func._overloadpacket, self._open[-1]
        if operator in self._flops:
            count[0] += self._flops[operator](*args, **(kwargs or {}), out_val=out) // 2
            count[0] += out.numel() if _has_bias(operator, args) else 0
            count[1] += out.numel()
        elif operator is _MAX_POOL:
            count[1] += out[0].numel()
        return out


def _has_bias(operator: Any, args: tuple) -> bool:
    """Tell whether a product adds a bias: torch's addmm always, its convolution if the third argument is one."""
    return operator is _WITH_BIAS or (operator is _CONVOLUTION and args[2] is not None)
