"""Augment whole batches on the host, prefetching one: for backends whose pixels do not come out of our own workers."""

from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from pycls.datasets.transforms.view import View, augment
from pycls.datasets.workers import limit_torch_threads
from pycls.datasets.workers.bad_images import Failure, shown_indices

Drawn = tuple[torch.Tensor, Sequence[Failure]]  # a batch and the bad images in it


@dataclass(frozen=True)
class Started:
    """A batch that threads are working on."""

    batch: torch.Tensor
    failures: Sequence[Failure]
    parts: list[Future]

    def finished(self) -> Drawn:
        """Wait for the threads and return the batch."""
        for part in self.parts:
            part.result()
        return self.batch, self.failures


class AsyncAugmenter:
    """Threads that augment the batches of a backend while the one before is in use."""

    def __init__(self, view: View, num_threads: int):
        self._view, self._num_threads = view, num_threads
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="pycls-augment")
        limit_torch_threads(self._pool, num_threads)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def run(
        self,
        epoch: int,
        index_batches: Sequence[np.ndarray],
        batches: Generator[Drawn, None, None],
    ) -> Generator[Drawn, None, None]:
        """Yield each batch augmented, in host memory; an error of `batches` comes when its turn has come.

        The `batches` must be nobody else's: those in host memory are changed in place.
        """
        in_hand: Started | None = None
        failure: Exception | None = None
        with closing(batches):
            for indices in index_batches:
                try:
                    coming = self._start(epoch, indices, *next(batches))
                except (ValueError, RuntimeError, OSError) as error:
                    failure = error
                    break
                if in_hand is not None:
                    yield in_hand.finished()
                in_hand = coming
            if in_hand is not None:
                yield in_hand.finished()
        if failure is not None:
            raise failure

    def _start(self, epoch: int, indices: np.ndarray, batch: torch.Tensor, failures: Sequence[Failure]) -> Started:
        """Bring a batch to the host and hand a share of it to each thread."""
        batch = batch.cpu().contiguous()
        shown = shown_indices(indices, failures)
        shares = [np.array_split(array, self._num_threads) for array in (shown, batch.numpy())]
        return Started(
            batch,
            failures,
            [self._pool.submit(augment, self._view, epoch, *share) for share in zip(*shares, strict=True)],
        )


def build_augmenter(view: View, num_threads: int) -> AsyncAugmenter | None:
    """Start the threads if the view augments."""
    return AsyncAugmenter(view, num_threads) if view.train and view.augment is not None else None
