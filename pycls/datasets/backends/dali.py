"""The DALI backends: NVIDIA's pipeline decodes only the region that is shown, on the CPU or on the GPU (nvJPEG).

The pipeline is fed from our plan (bytes, region, flip), so that epochs, order and crops are those of every other
backend; DALI's own reader would bring its own. It is built once and lives as long as the backend.
"""

import itertools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch

from pycls.core.logging import get_logger
from pycls.datasets.backends.base import BackendOptions, FileBackend, check_worker_mode
from pycls.datasets.backends.dali_pipeline import (
    DEPTH,
    DaliPipeline,
    Feed,
    build_feed,
    check_dali,
    dummy_image,
    pick_row,
)
from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.encoded import EncodedBatch, EncodedImage, read_encoded
from pycls.datasets.decoders.image_header import Header
from pycls.datasets.decoders.orientation import UPRIGHT, turn_upright
from pycls.datasets.heartbeat import NOTHING, HeartbeatBoard
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View
from pycls.datasets.workers.augmenter import Drawn, build_augmenter
from pycls.datasets.workers.bad_images import Failure
from pycls.datasets.workers.fetch import Fetcher
from pycls.datasets.workers.threads import DaemonPool
from pycls.datasets.workers.watchdog import Watchdog

logger = get_logger(__name__)

_LEAST_CUBIC_PX = 16  # shorter sides of a crop: Pillow resizes


@dataclass(frozen=True)
class DaliBatch:
    """One batch on its way: what DALI gets, and the finished squares of the images that Pillow decodes."""

    encoded: EncodedBatch
    feed: Feed
    patches: dict[int, np.ndarray]  # row -> uint8 (S, S, 3)
    failures: list[Failure]


@dataclass(frozen=True)
class InFlight:
    """The batches of one epoch that are to be read, being read, and inside DALI."""

    epoch: int
    todo: deque[np.ndarray]
    heartbeats: Iterator[int]  # numbers on the board, for one read after the other
    reads: deque[Future[DaliBatch]] = field(default_factory=deque)
    inside: deque[DaliBatch] = field(default_factory=deque)


class DaliBackend(FileBackend):
    """Encoded files -> uint8 (B, S, S, 3) RGB batches, in host memory (decoder "cpu") or on the GPU (decoder "gpu").

    `num_workers` is the number of DALI's threads (at least one).
    """

    def __init__(self, samples: FileSamples, view: View, options: BackendOptions, decoder: str = "cpu"):
        check_worker_mode(f"dali_{decoder}", options.worker_mode, "threads")
        check_dali(f"dali_{decoder}", options.device)
        self._samples, self._view, self._max_batch = samples, view, options.max_batch
        self._num_threads, self._prefetch = max(1, options.num_workers), max(1, options.prefetch)
        self._device_id = _cuda_index(options.device) if decoder == "gpu" else None
        self._readers = DaemonPool(self._num_threads, "pycls-reader")
        # DALI itself is not watched: it gets whole files in memory and has nothing to wait for; its readers have.
        self._num_heartbeats = self._prefetch + DEPTH  # one for each batch that is being read, and one for rescues
        self._board = HeartbeatBoard(self._num_heartbeats + 1, shared=False)
        self._watchdog = Watchdog(samples, self._board, options.timeout_sec, self._ask)
        self._fetch = Fetcher(samples, view, decode_with_pillow, self._board, options.skip_bad)
        self._refused: set[int] = set()  # samples on which DALI failed: Pillow decodes them, or says what is wrong
        self._augmenter = build_augmenter(view, self._num_threads)
        self._pipeline: DaliPipeline | None = self._build_pipeline()

    def close(self) -> None:
        """End the open epoch, the readers and the pipeline."""
        super().close()
        self._readers.shutdown()
        if self._augmenter is not None:
            self._augmenter.close()
        self._pipeline = None

    def _dali(self) -> DaliPipeline:
        """Return the pipeline, a new one where the last one broke."""
        if self._pipeline is None:
            self._pipeline = self._build_pipeline()
        return self._pipeline

    def _build_pipeline(self) -> DaliPipeline:
        return DaliPipeline(
            self._view, num_threads=self._num_threads, device_id=self._device_id, max_batch=self._max_batch
        )

    def _run(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield the batches; augmented ones are in host memory, since the operations are Pillow's in every backend."""
        drawn = self._decoded(epoch, index_batches)
        drawn = drawn if self._augmenter is None else self._augmenter.run(epoch, index_batches, drawn)
        with closing(drawn):
            for batch, self.failures in drawn:
                yield batch

    def _decoded(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[Drawn, None, None]:
        flight = InFlight(epoch, deque(index_batches), itertools.cycle(range(self._num_heartbeats)))
        try:
            while flight.todo or flight.reads or flight.inside:
                self._push(flight, in_hand=False)
                drawn = self._receive(flight)
                self._push(flight, in_hand=True)  # DALI works on while the batch is used
                yield drawn
        finally:
            self._clear(flight)

    def _push(self, flight: InFlight, in_hand: bool) -> None:
        """Keep `prefetch` batches being read ahead of the DEPTH batches that are inside DALI.

        The error of a broken batch is raised when its turn has come: nothing inside, nothing in hand.
        """
        while flight.todo and len(flight.reads) < self._prefetch + DEPTH - len(flight.inside):
            flight.reads.append(
                self._readers.submit(self._read, flight.epoch, flight.todo.popleft(), next(flight.heartbeats))
            )
        while flight.reads and len(flight.inside) < DEPTH:
            self._watchdog.wait([flight.reads[0]])
            if (flight.inside or in_hand) and flight.reads[0].exception() is not None:
                return
            job = flight.reads.popleft().result()
            self._dali().send(job.feed)
            flight.inside.append(job)

    def _read(self, epoch: int, indices: np.ndarray, heartbeat: int) -> DaliBatch:
        """Read the files of one batch and prepare its feed (in a reader thread)."""
        return self._prepare(
            read_encoded(self._samples, self._view, epoch, indices, self._board.heartbeat(heartbeat)), epoch, heartbeat
        )

    def _prepare(self, encoded: EncodedBatch, epoch: int, heartbeat: int) -> DaliBatch:
        """Give what DALI cannot read faithfully, or at all, to Pillow, and dummies to DALI in its place."""
        odd = [
            row
            for row, header in enumerate(encoded.headers)
            if _is_odd(header) or self._is_refused(encoded, row) or _is_small(encoded, row)
        ]
        patches, failures = self._decode_rows(encoded, epoch, odd, heartbeat)
        sizes = np.array([header[:2] for header in encoded.headers], np.float64)
        data, boxes = list(encoded.data), encoded.boxes.copy()
        for row in odd:
            data[row], sizes[row], boxes[row] = dummy_image()
        return DaliBatch(
            encoded, build_feed(data, sizes, boxes, encoded.flips, encoded.filters, self._view), patches, failures
        )

    def _is_refused(self, encoded: EncodedBatch, row: int) -> bool:
        return int(encoded.indices[row]) in self._refused

    def _decode_rows(
        self, encoded: EncodedBatch, epoch: int, rows: Sequence[int], heartbeat: int
    ) -> tuple[dict[int, np.ndarray], list[Failure]]:
        """Decode some rows of a batch with Pillow; return their squares and the bad ones among them."""
        note = self._board.heartbeat(heartbeat)
        squares = {row: np.zeros(self._view.image_shape, np.uint8) for row in rows}
        try:
            outcomes = [self._fetch.decode_row(encoded, row, epoch, squares[row], note) for row in rows]
        finally:
            note(NOTHING)
        return squares, [failure for failure in outcomes if failure is not None]

    def _receive(self, flight: InFlight) -> Drawn:
        """Take the oldest batch out of DALI and put its patches in."""
        job = flight.inside.popleft()
        try:
            batch = self._dali().receive()
        except RuntimeError as error:
            self._feed_again(flight, job, error)
            return self._receive(flight)
        for row, square in job.patches.items():
            batch[row] = torch.from_numpy(square)
        return batch, job.failures

    def _feed_again(self, flight: InFlight, job: DaliBatch, error: RuntimeError) -> None:
        """Send a batch on which DALI failed once more, what DALI refuses as patches, and those that were behind it.

        Pillow then shows the file, or says that it is bad, as in the other backends.
        """
        behind = list(flight.inside)
        flight.inside.clear()  # nothing is inside the new pipeline
        refused = self._find_refused(job)
        if not refused:
            names = ", ".join(self._samples.name(index) for index in job.encoded.indices)
            raise RuntimeError(f"DALI failed on these files, but reads each of them alone: {names}") from error
        for index in refused - self._refused:
            logger.warning("DALI refuses %s, so that Pillow decodes it", self._samples.name(index))
        self._refused |= refused
        again = self._readers.submit(self._prepare, job.encoded, flight.epoch, self._num_heartbeats)
        for waiting in (self._watchdog.result(again), *behind):
            self._dali().send(waiting.feed)
            flight.inside.append(waiting)

    def _find_refused(self, job: DaliBatch) -> set[int]:
        """Return the samples that DALI cannot read, each tried alone: DALI does not tell, and breaks. Build it anew."""
        refused = set()
        self._pipeline = self._build_pipeline()
        for row, index in enumerate(job.encoded.indices.tolist()):
            try:
                self._dali().send(pick_row(job.feed, row))
                self._dali().receive()
            except RuntimeError:
                refused.add(index)
                self._pipeline = self._build_pipeline()
        return refused

    def _clear(self, flight: InFlight) -> None:
        """Wait for the readers and empty the pipeline, so that the next epoch begins clean."""
        self._watchdog.settle(list(flight.reads))
        try:
            for _ in flight.inside if self._pipeline is not None else ():
                self._dali().receive()
        except RuntimeError:
            self._pipeline = None


def decode_with_pillow(view: View, image: EncodedImage, out: np.ndarray) -> None:
    """Decode, crop, resize and flip one image into `out`, uint8 (S, S, 3)."""
    pixels = turn_upright(pillow.decode_rgb(image.data), image.header.orientation)
    out[:] = pillow.crop_resize(pixels, view, image.box, image.flip, image.filter)


def _is_odd(header: Header) -> bool:
    """Tell whether DALI would show other pixels, or show them turned."""
    return not header.common or header.orientation != UPRIGHT


def _is_small(encoded: EncodedBatch, row: int) -> bool:
    """Tell whether DALI's bicubic edges, repeated pixels where Pillow leaves out what is not there, would be seen."""
    return encoded.filters[row] == Filter.BICUBIC and encoded.boxes[row, 2:].min() < _LEAST_CUBIC_PX


def _cuda_index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
