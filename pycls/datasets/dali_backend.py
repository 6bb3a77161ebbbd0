"""The DALI backends: NVIDIA's pipeline decodes only the region that is shown, on the CPU or on the GPU (nvJPEG).

The pipeline is fed from our plan (bytes, region, flip), so that epochs, order and crops are those of every other
backend; DALI's own reader would bring its own. It is built once and lives as long as the backend.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import torch

from pycls.datasets import fallback
from pycls.datasets.augment_ahead import build_augmenter
from pycls.datasets.chunk import Chunk, naming, read_chunk
from pycls.datasets.dali_pipeline import DEPTH, DaliPipeline, Feed, build_feed, check_dali, dummy_image
from pycls.datasets.file_backend import FileBackend, check_worker_mode
from pycls.datasets.plan import View
from pycls.datasets.samples import FileSamples


@dataclass(frozen=True)
class Job:
    """One batch on its way: what DALI gets, and the finished squares of the images that Pillow decodes."""

    chunk: Chunk
    feed: Feed
    patches: dict[int, np.ndarray]  # row -> uint8 (S, S, 3)


@dataclass(frozen=True)
class Way:
    """The batches of one epoch, from the plan through the readers and DALI."""

    epoch: int
    todo: deque[np.ndarray]
    reads: deque[Future[Job]] = field(default_factory=deque)
    inside: deque[Job] = field(default_factory=deque)


class DaliBackend(FileBackend):
    """Encoded files -> uint8 (B, S, S, 3) RGB batches, in host memory (decoder "cpu") or on the GPU (decoder "gpu").

    `num_workers` is the number of DALI's threads (at least one).
    """

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
        decoder: str = "cpu",
    ):
        check_worker_mode(f"dali_{decoder}", worker_mode, "threads")
        check_dali(f"dali_{decoder}", device)
        self._samples, self._view, self._max_batch = samples, view, max_batch
        self._num_threads, self._prefetch = max(1, num_workers), max(1, prefetch)
        self._device_id = _cuda_index(device) if decoder == "gpu" else None
        self._readers = ThreadPoolExecutor(self._num_threads, thread_name_prefix="pycls-reader")
        self._augmenter = build_augmenter(view, self._num_threads)
        self._pipeline = self._build_pipeline()

    def close(self) -> None:
        """End the open epoch, the readers and the pipeline."""
        super().close()
        self._readers.shutdown(cancel_futures=True)
        if self._augmenter is not None:
            self._augmenter.close()
        self._pipeline = None

    def _build_pipeline(self) -> DaliPipeline | None:
        return DaliPipeline(
            self._view, num_threads=self._num_threads, device_id=self._device_id, max_batch=self._max_batch
        )

    def _run(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield the batches; augmented ones are in host memory, since the operations are Pillow's in every backend."""
        batches = self._decoded(epoch, index_batches)
        return batches if self._augmenter is None else self._augmenter.run(epoch, index_batches, batches)

    def _decoded(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        if self._pipeline is None:  # the last one broke
            self._pipeline = self._build_pipeline()
        way = Way(epoch, deque(index_batches))
        try:
            while way.todo or way.reads or way.inside:
                self._push(way, in_hand=False)
                batch = self._receive(way)
                self._push(way, in_hand=True)  # DALI works on while the batch is used
                yield batch
        finally:
            self._clear(way)

    def _push(self, way: Way, in_hand: bool) -> None:
        """Keep `prefetch` batches being read ahead of the DEPTH batches that are inside DALI.

        The error of a broken batch is raised when its turn has come: nothing inside, nothing in hand.
        """
        while way.todo and len(way.reads) < self._prefetch + DEPTH - len(way.inside):
            way.reads.append(self._readers.submit(self._read, way.epoch, way.todo.popleft()))
        while way.reads and len(way.inside) < DEPTH:
            if (way.inside or in_hand) and way.reads[0].exception() is not None:
                return
            job = way.reads.popleft().result()
            self._pipeline.send(job.feed)
            way.inside.append(job)

    def _read(self, epoch: int, indices: np.ndarray) -> Job:
        """Read the files of one batch and prepare its feed (in a reader thread)."""
        chunk = read_chunk(self._samples, self._view, epoch, indices)
        odd = [row for row, header in enumerate(chunk.headers) if not header.common]
        patches = {row: self._patch(chunk, row) for row in odd}
        sizes = np.array([header[:2] for header in chunk.headers], np.float64)
        data, boxes = list(chunk.data), chunk.boxes.copy()
        for row in odd:
            data[row], sizes[row], boxes[row] = dummy_image()
        return Job(chunk, build_feed(data, sizes, boxes, chunk.flips, self._view), patches)

    def _patch(self, chunk: Chunk, row: int) -> np.ndarray:
        """Decode and show one image with Pillow."""
        with naming(self._samples, chunk.indices[row]):
            image = fallback.decode_rgb(chunk.data[row])
        return fallback.show(image, self._view, chunk.boxes[row], chunk.flips[row])

    def _receive(self, way: Way) -> torch.Tensor:
        """Take the oldest batch out of DALI and put its patches in."""
        job = way.inside.popleft()
        try:
            batch = self._pipeline.receive()
        except RuntimeError as error:
            self._pipeline = None
            self._blame(job.chunk, error)
        for row, square in job.patches.items():
            batch[row] = torch.from_numpy(square)
        return batch

    def _blame(self, chunk: Chunk, error: RuntimeError) -> NoReturn:
        """Raise the ValueError that names the file on which DALI failed; DALI itself does not tell."""
        for index, data in zip(chunk.indices, chunk.data, strict=True):
            with naming(self._samples, index):
                fallback.decode_rgb(data)
        names = ", ".join(self._samples.name(index) for index in chunk.indices)
        raise RuntimeError(f"DALI failed on one of these files, all of which Pillow can read: {names}") from error

    def _clear(self, way: Way) -> None:
        """Empty the pipeline and wait for the readers, so that the next epoch begins clean."""
        for read in way.reads:
            read.cancel()
        wait(way.reads)
        try:
            for _ in way.inside if self._pipeline is not None else ():
                self._pipeline.receive()
        except RuntimeError:
            self._pipeline = None


def _cuda_index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
