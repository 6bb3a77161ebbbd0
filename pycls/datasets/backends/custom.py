"""The custom backend: a C extension, or OpenCV and torch, in threads that write into batches allocated once.

All three let go of Python's lock while they work, so threads need neither copies between processes nor a pause
to start. A main thread that is busy in Python slows them down; `worker_mode="processes"` is for that case.
"""

import contextlib
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pycls.datasets.backends.base import FileBackend
from pycls.datasets.decoders import libjpeg_turbo as jpeg
from pycls.datasets.decoders import pillow as fallback
from pycls.datasets.decoders.encoded import Encoded
from pycls.datasets.heartbeat import Board
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, eval_geometry
from pycls.datasets.workers import build_workers, choose_mode
from pycls.datasets.workers.bad_images import Failure
from pycls.datasets.workers.fetch import Filler, show_none
from pycls.datasets.workers.watchdog import Watchdog

_DECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
# Images in one piece of work: enough to share the cost of the plan and of asking for Python's lock, few enough to give
# each worker two pieces of what is prepared ahead.
_LEAST_CHUNK, _MOST_CHUNK, _CHUNKS_A_WORKER = 8, 32, 2
# The consumer holds the batch that it draws and the one before it.
_NUM_HELD = 2


class CustomBackend(FileBackend):
    """Encoded files -> uint8 (B, S, S, 3) RGB batches in host memory."""

    def __init__(
        self,
        samples: FileSamples,
        view: View,
        *,
        num_workers: int,
        prefetch: int,
        worker_mode: str = "auto",
        pin_memory: bool,
        device: torch.device,
        max_batch: int,
        skip_bad: bool = False,
        timeout_sec: float = 0.0,
        decoder: str = "auto",  # of JPEGs, as DATA_LOADER.JPEG
    ):
        mode = choose_mode(worker_mode, num_workers)
        self._prefetch = max(1, prefetch) if num_workers > 0 else 0
        shape = (self._prefetch + _NUM_HELD, max_batch, view.size, view.size, 3)
        self._slots = allocate(shape, shared=mode == "processes", pinned=pin_memory and device.type == "cuda")
        self._chunk_size = choose_chunk_size(max_batch * max(1, self._prefetch), num_workers)
        self._chunks_per_slot = -(-max_batch // self._chunk_size)
        board = Board(len(self._slots) * self._chunks_per_slot, shared=mode == "processes")
        self._watchdog = Watchdog(samples, board, timeout_sec, self._ask)
        shows = (show_rest, jpeg.show_chunk) if jpeg.use_extension(decoder) else (show, show_none)
        fill = Filler(samples, view, shows[0], board, skip_bad, shows[1])
        self._workers = build_workers(mode, num_workers, SlotFiller(fill, self._slots), watched=timeout_sec > 0)

    def close(self) -> None:
        """End the open epoch and the workers."""
        super().close()
        self._workers.close()

    def _run(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        pending: deque[list[Future]] = deque()
        num_sent = 0
        try:
            for number, indices in enumerate(index_batches):
                while num_sent < min(len(index_batches), number + 1 + self._prefetch):
                    pending.append(self._send(epoch, num_sent, index_batches[num_sent]))
                    num_sent += 1
                parts = [self._watchdog.result(part) for part in pending[0]]
                pending.popleft()
                self.failures = [failure for part in parts for failure in part]
                yield self._slots[number % len(self._slots)][: len(indices)]
        finally:
            self._watchdog.settle([part for parts in pending for part in parts])

    def _send(self, epoch: int, number: int, indices: np.ndarray) -> list[Future]:
        """Have batch `number` written into its slot, one future for each chunk."""
        slot, size = number % len(self._slots), self._chunk_size
        return [
            self._workers.submit(
                slot, start, epoch, indices[start : start + size], slot * self._chunks_per_slot + chunk
            )
            for chunk, start in enumerate(range(0, len(indices), size))
        ]


def choose_chunk_size(num_ahead: int, num_workers: int) -> int:
    """Return how many images a worker gets at a time when so many are prepared ahead."""
    return min(_MOST_CHUNK, max(_LEAST_CHUNK, num_ahead // (_CHUNKS_A_WORKER * max(1, num_workers))))


def allocate(shape: tuple[int, ...], *, shared: bool, pinned: bool) -> torch.Tensor:
    """Allocate uint8 host memory, page-locked for fast copies to the GPU and shared with child processes as asked."""
    if not shared:
        return torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
    memory = torch.empty(shape, dtype=torch.uint8).share_memory_()
    if pinned:
        torch.cuda.check_error(torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0))
    return memory


@dataclass(frozen=True)
class SlotFiller:
    """Fill parts of the batches that were allocated; runs in a worker."""

    fill: Filler
    slots: torch.Tensor

    def __call__(self, slot: int, start: int, epoch: int, indices: np.ndarray, cell: int) -> list[Failure]:
        """Write the images of `indices` into `slot` from position `start` on; return the bad ones."""
        return self.fill(self.slots[slot].numpy()[start:], epoch, indices, cell)


def show_rest(view: View, image: Encoded, place: np.ndarray) -> None:
    """Show one image that the C extension leaves: Pillow judges JPEGs, all else goes the usual way."""
    if jpeg.is_plain_jpeg(image.data, image.header):
        _write(fallback.decode_rgb(image.data), view, image, place)
    else:
        show(view, image, place)


def show(view: View, image: Encoded, place: np.ndarray) -> None:
    """Decode, crop, resize and flip one image into its place."""
    _write(decode(image.data, image.header.common), view, image, place)


def decode(data: bytes, common: bool) -> np.ndarray:
    """Decode one file to uint8 (H, W, 3) RGB; what OpenCV cannot read faithfully, or at all, goes to Pillow."""
    image = None
    if common:
        with contextlib.suppress(cv2.error):  # too many pixels for it, perhaps; Pillow judges
            image = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE_FLAGS)
    return fallback.decode_rgb(data) if image is None else image


def _write(pixels: np.ndarray, view: View, image: Encoded, place: np.ndarray) -> None:
    """Write what the view shows of a decoded image into its place."""
    square = _cut(pixels, view, image)
    if image.flip:
        cv2.flip(square, 1, dst=place)
    else:
        np.copyto(place, square)


def _cut(pixels: np.ndarray, view: View, image: Encoded) -> np.ndarray:
    """Return the (S, S, 3) square of a decoded image, not yet flipped."""
    if view.train:
        top, left, height, width = (int(value) for value in image.box)
        return resize(pixels[top : top + height, left : left + width], view.size, view.size, image.filter)
    height, width, top, left = eval_geometry(view, pixels.shape[0], pixels.shape[1])
    if fallback.is_long(height, width):
        return fallback.long_square(pixels, view, image.filter)
    return resize(pixels, height, width, image.filter)[top : top + view.size, left : left + view.size]


def resize(image: np.ndarray, height: int, width: int, kind: Filter) -> np.ndarray:
    """Resize uint8 (H, W, 3): torch's antialiased kernels equal Pillow's, OpenCV's is plain bilinear."""
    if kind == Filter.PLAIN:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    # Dense (1, H, W, 3) memory seen as (1, 3, H, W): torch then writes its result the same way. A crop with gaps
    # between its rows, or a batch dimension added last, would become planes, and all of it twice as slow.
    batch = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)
    return F.interpolate(batch, (height, width), mode=kind.name.lower(), antialias=True)[0].permute(1, 2, 0).numpy()
