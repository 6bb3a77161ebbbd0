"""Bring batches from a backend to the device: sample indices in, normalized floats with labels out."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from pycls.core.logging import FILE_ONLY, get_logger
from pycls.datasets.backends.base import Backend
from pycls.datasets.prefetcher import Tensors, move_batches
from pycls.datasets.readers.samples import Samples
from pycls.datasets.samplers import (
    PrefetchedOrder,
    balanced_order,
    evaluation_batches,
    repeated_order,
    training_batches,
)
from pycls.datasets.transforms.normalize import Normalize, lighting_shift
from pycls.datasets.transforms.view import View, erased, jittered, lighting
from pycls.datasets.workers.bad_images import Failure, settle_failures

logger = get_logger(__name__)

_MOST_SHOWN = 20  # bad images that are named on the terminal; a log file names all
_MANY = 100_000  # training images from which on the next epoch's order is worth a thread


@dataclass(frozen=True)
class Batch:
    """One step's data on this process."""

    images: torch.Tensor  # float32 (N, C, S, S) on the device, normalized
    labels: torch.Tensor  # int64 (N,) on the device
    indices: torch.Tensor  # int64 (N,) on the host: which samples these are, substitutes of bad ones included
    failures: tuple[Failure, ...] = ()  # bad images: substituted in training, left out (N may be 0) in evaluation


class Loader:
    """Batches of one phase on this process, from any epoch and step; may be abandoned and restarted at any time."""

    def __init__(
        self,
        samples: Samples,
        view: View,
        backend: Backend,
        finish: Normalize,
        *,
        batch_size: int,  # global
        device: torch.device,
        pin_memory: bool = False,
        lighting_std: float = 0.0,
        balanced: bool = False,  # training: draw every class equally often
        repeats: int = 1,  # training: views of each image
        rank: int = 0,
        world_size: int = 1,
    ):
        self.samples, self.view, self.backend, self.finish = samples, view, backend, finish
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.device, self.pin_memory, self.lighting_std = device, pin_memory, lighting_std
        self.balanced, self.repeats = balanced, repeats
        self.wait_sec = 0.0
        # What the normalization needs of each image, by the name of its argument.
        self._drawers: dict[str, Callable[[int, np.ndarray], np.ndarray]] = {}
        if view.train and view.jitter:
            self._drawers["jitter"] = self._jitter
        if view.train and lighting_std > 0:
            self._drawers["shift"] = self._shift
        if view.train and view.erase_prob > 0:
            self._drawers["erased"] = self._erased
        self._ahead = PrefetchedOrder(self.index_batches) if view.train and len(samples) >= _MANY else None
        self.bad: dict[int, Failure] = {}  # bad images met so far

    def __len__(self) -> int:
        """Return the number of batches an epoch has on this process."""
        return len(self.samples) // self.batch_size if self.view.train else len(self.index_batches(epoch=0))

    def index_batches(self, epoch: int, start_step: int = 0) -> list[np.ndarray]:
        """Return the sample indices of this process's batches, each int64 (N,), from `start_step` on.

        In training they may be those of further views of an image (see samplers.py).
        """
        cut = (self.batch_size, self.rank, self.world_size, start_step)
        if self.view.train:
            return training_batches(self._order(epoch), *cut)
        return evaluation_batches(len(self.samples), *cut)

    def epoch(
        self, epoch: int, start_step: int = 0, interrupt: Callable[[], None] | None = None
    ) -> Generator[Batch, None, None]:
        """Iterate over the batches of an epoch from any step on; the steps before it cost nothing.

        `interrupt` is called now and then while workers are waited for; it may raise to end the wait, and the loader.
        """
        self.backend.interrupt = interrupt
        index_batches = self._ahead(epoch)[start_step:] if self._ahead else self.index_batches(epoch, start_step)
        with closing(self.backend.batches(epoch, index_batches)) as images:
            shown: deque[tuple[torch.Tensor, tuple[Failure, ...]]] = deque()  # of batches on their way to the device
            host_batches = self._host_batches(epoch, index_batches, images, shown)
            for pixels, labels, *drawn in move_batches(host_batches, self.device, self.pin_memory):
                keywords = dict(zip(self._drawers, drawn, strict=True))
                yield Batch(self.finish(pixels, **keywords), labels, *shown.popleft())

    def names(self, epoch: int, step: int) -> list[str]:
        """Return the names of the images of one of this process's training batches."""
        return [self.samples.name(i) for i in self.index_batches(epoch, step)[0] % len(self.samples)]

    def reset_wait(self) -> float:
        """Return the seconds spent waiting for the backend since the last call, and start again from zero."""
        waited, self.wait_sec = self.wait_sec, 0.0
        return waited

    def note_bad(self, failures: Iterable[Failure]) -> None:
        """Remember bad images, and log each of them once."""
        for failure in failures:
            image = failure.index % len(self.samples)
            if image not in self.bad:
                self.bad[image] = failure
                is_one_of_many = len(self.bad) > _MOST_SHOWN
                logger.warning("Skipped a bad image: %s", failure, extra=FILE_ONLY if is_one_of_many else None)
                if is_one_of_many:
                    logger.warning("More than %d bad images: stdout.log in OUT_DIR names all", _MOST_SHOWN)

    def close(self) -> None:
        """Stop the backend's workers, after the copies from its buffers that are still under way."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.backend.close()
        if self._ahead:
            self._ahead.close()

    def _host_batches(
        self, epoch: int, index_batches: Sequence[np.ndarray], images: Iterator[torch.Tensor], shown: deque
    ) -> Iterator[Tensors]:
        """Yield (pixels, labels, what else the normalization needs); append (indices, failures) to `shown`."""
        for indices in index_batches:
            pixels, failures = self._timed_next(images), tuple(self.backend.failures)
            if failures:
                self.note_bad(failures)
                pixels, indices = settle_failures(pixels, indices, failures)
            shown.append((torch.from_numpy(indices), failures))
            drawn = [torch.from_numpy(draw(epoch, indices)) for draw in self._drawers.values()]
            yield pixels, torch.from_numpy(self.samples.labels[indices % len(self.samples)]), *drawn

    def _timed_next(self, images: Iterator[torch.Tensor]) -> torch.Tensor:
        start = time.perf_counter()
        pixels = next(images)
        self.wait_sec += time.perf_counter() - start
        return pixels

    def _order(self, epoch: int) -> np.ndarray:
        if self.balanced:
            return balanced_order(self.view.seed, epoch, self.samples.labels)
        return repeated_order(self.view.seed, epoch, len(self.samples), self.repeats, self.batch_size)

    def _jitter(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        return jittered(self.view, epoch, indices)

    def _shift(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        return lighting_shift(lighting(self.view.seed, self.lighting_std, epoch, indices))

    def _erased(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        return erased(self.view, epoch, indices)
