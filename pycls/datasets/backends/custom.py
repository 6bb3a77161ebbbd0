"""The custom backend: a C extension, or OpenCV and torch, in threads that write into batches allocated once.

All three release Python's global lock (GIL) while they work, so threads need neither copies between processes nor a
pause to start. A main thread that is busy in Python slows them down; `worker_mode="processes"` is for that case.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future

import numpy as np
import torch

from pycls.datasets.backends.base import BackendOptions, FileBackend
from pycls.datasets.decoders import libjpeg_turbo
from pycls.datasets.decoders.opencv import decode_crop, decode_rest
from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms.view import View
from pycls.datasets.workers import build_workers, choose_mode
from pycls.datasets.workers.fetch import Fetcher, decode_none
from pycls.datasets.workers.slots import NUM_HELD, SlotFetcher, allocate
from pycls.datasets.workers.watchdog import Watchdog

# Images in one piece of work: enough to share the cost of drawing crops and of taking the GIL, few enough to give
# each worker two pieces of what is prefetched.
_LEAST_CHUNK, _MOST_CHUNK, _CHUNKS_A_WORKER = 8, 32, 2


class CustomBackend(FileBackend):
    """Encoded files -> uint8 (B, S, S, C) batches in host memory."""

    def __init__(
        self,
        samples: FileSamples,
        view: View,
        options: BackendOptions,
        decoder: str = "auto",  # of JPEGs, as DATA_LOADER.JPEG
    ):
        num_workers = options.num_workers
        mode = choose_mode(options.worker_mode, num_workers)
        self._prefetch = max(1, options.prefetch) if num_workers > 0 else 0
        shape = (self._prefetch + NUM_HELD, options.max_batch, *view.image_shape)
        self._slots = allocate(shape, view.image_dtype, shared=mode == "processes", pinned=options.pinned)
        self._chunk_size = choose_chunk_size(options.max_batch * max(1, self._prefetch), num_workers)
        self._chunks_per_slot = -(-options.max_batch // self._chunk_size)
        board = HeartbeatBoard(len(self._slots) * self._chunks_per_slot, shared=mode == "processes")
        self._watchdog = Watchdog(samples, board, options.timeout_sec, self._ask)
        in_c = libjpeg_turbo.use_extension(decoder) and libjpeg_turbo.fits(view)
        decode_one, decode_many = (decode_rest, libjpeg_turbo.decode_batch) if in_c else (decode_crop, decode_none)
        fetch = Fetcher(samples, view, decode_one, board, options.skip_bad, decode_many)
        work, watched = SlotFetcher(fetch, self._slots), options.timeout_sec > 0
        self._workers = build_workers(mode, num_workers, work, watched)

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
        """Have batch `number` written into its slot, one future for each piece of work."""
        slot, size = number % len(self._slots), self._chunk_size
        return [
            self._workers.submit(
                slot, start, epoch, indices[start : start + size], slot * self._chunks_per_slot + piece
            )
            for piece, start in enumerate(range(0, len(indices), size))
        ]


def choose_chunk_size(num_ahead: int, num_workers: int) -> int:
    """Return how many images a worker gets at a time when so many are prefetched."""
    return min(_MOST_CHUNK, max(_LEAST_CHUNK, num_ahead // (_CHUNKS_A_WORKER * max(1, num_workers))))
