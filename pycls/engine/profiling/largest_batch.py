"""Which batch a GPU holds, where the one that was asked for does not fit: found by trying smaller ones."""

from collections.abc import Callable
from typing import Any

import torch


def largest_batch(most: int, attempt: Callable[[int], Any], step: int = 1) -> int:
    """Return the largest of step, 2 step, 4 step .. below `most` with which `attempt` has enough memory; 0: none."""
    size = step
    while 2 * size < most:
        size *= 2
    while size >= step and not _has_room(attempt, size):
        size //= 2
    return size if size >= step else 0


def _has_room(attempt: Callable[[int], Any], size: int) -> bool:
    try:
        attempt(size)
    except torch.OutOfMemoryError:
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
