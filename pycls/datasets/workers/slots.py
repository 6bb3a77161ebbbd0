"""Batches in memory that is allocated once and shared with whoever fills it."""

from dataclasses import dataclass

import numpy as np
import torch

from pycls.datasets.workers.bad_images import Failure
from pycls.datasets.workers.fetch import Fetcher

NUM_HELD = 2  # the consumer holds the batch that it draws and the one before it


def allocate(shape: tuple[int, ...], dtype: torch.dtype, *, shared: bool, pinned: bool) -> torch.Tensor:
    """Allocate host memory, page-locked for fast copies to the GPU and shared with child processes as asked."""
    if not shared:
        return torch.empty(shape, dtype=dtype, pin_memory=pinned)
    memory = torch.empty(shape, dtype=dtype).share_memory_()
    if pinned:
        torch.cuda.check_error(torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0))
    return memory


@dataclass(frozen=True)
class SlotFetcher:
    """Fill parts of the batches that were allocated; runs in a worker."""

    fetch: Fetcher
    slots: torch.Tensor

    def __call__(self, slot: int, start: int, epoch: int, indices: np.ndarray, heartbeat: int) -> list[Failure]:
        """Write the images of `indices` into `slot` from position `start` on; return the bad ones."""
        return self.fetch(self.slots[slot].numpy()[start:], epoch, indices, heartbeat)
