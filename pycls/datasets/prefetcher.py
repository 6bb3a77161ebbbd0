"""Move batches to the training device; on CUDA a side stream prefetches one batch, so that copies cost no time."""

from collections.abc import Iterator

import torch

Tensors = tuple[torch.Tensor, ...]


def move_batches(batches: Iterator[Tensors], device: torch.device, pin: bool) -> Iterator[Tensors]:
    """Yield each tuple of host tensors on `device`; `pin` sends them through page-locked memory (CUDA only)."""
    if device.type == "cuda":
        yield from _move_ahead(batches, device, pin)
        return
    for batch in batches:
        yield tuple(tensor.to(device) for tensor in batch)


def _move_ahead(batches: Iterator[Tensors], device: torch.device, pin: bool) -> Iterator[Tensors]:
    stream = torch.cuda.Stream(device)
    ahead: tuple[Tensors, torch.cuda.Event] | None = None
    for batch in batches:
        following = _start_copy(batch, device, stream, pin)
        if ahead is not None:
            yield _ready(*ahead)
            ahead[1].synchronize()  # long done; the backend may now reuse the host buffer that was copied
        ahead = following
    if ahead is not None:
        yield _ready(*ahead)


def _start_copy(
    batch: Tensors, device: torch.device, stream: torch.cuda.Stream, pin: bool
) -> tuple[Tensors, torch.cuda.Event]:
    with torch.cuda.stream(stream):
        moved = tuple(_pinned(tensor, pin).to(device, non_blocking=True) for tensor in batch)
        return moved, stream.record_event()


def _pinned(tensor: torch.Tensor, pin: bool) -> torch.Tensor:
    return tensor.pin_memory() if pin and not tensor.is_cuda and not tensor.is_pinned() else tensor


def _ready(moved: Tensors, copied: torch.cuda.Event) -> Tensors:
    """Make the current stream wait for the copy, and tell the allocator that it uses the memory."""
    current = torch.cuda.current_stream(moved[0].device)
    current.wait_event(copied)
    for tensor in moved:
        tensor.record_stream(current)
    return moved
