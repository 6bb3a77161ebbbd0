"""Host memory that is used again when nobody refers to it any more.

The C library returns blocks as large as a batch to the system at once. Getting them anew costs three times as much, in
page faults, as normalising the images that are then written there.
"""

import weakref
from collections import defaultdict

import numpy as np
import torch

_MOST_KEPT = 4  # free blocks of one shape


class ReusedMemory:
    """Lends float32 tensors on the CPU; their memory comes back with the last tensor, view or graph that uses it."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[np.ndarray]] = defaultdict(list)

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a tensor of any content."""
        free = self._free[shape]
        block = free.pop() if free else np.empty(shape, np.float32)
        lent = block.view()  # torch keeps this object as long as the tensor's storage lives
        weakref.finalize(lent, _take_back, free, block).atexit = False
        return torch.from_numpy(lent)


def _take_back(free: list[np.ndarray], block: np.ndarray) -> None:
    if len(free) < _MOST_KEPT:
        free.append(block)
