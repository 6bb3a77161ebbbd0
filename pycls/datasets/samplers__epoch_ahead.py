"""What an epoch needs before its first batch, computed while the epoch before is shown."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np


class EpochAhead:
    """The batches of sample indices of each epoch, computed one epoch ahead on a thread (numpy sorts without the GIL).

    Sorting ten million hashes takes two seconds, in which a GPU would have nothing to do. Those of the epoch asked for
    last are kept, too: precise batch norm shows its beginning again.
    """

    def __init__(self, compute: Callable[[int], list[np.ndarray]]):
        self._compute = compute
        self._pool = ThreadPoolExecutor(1, "pycls-order")
        self._known: dict[int, Future] = {}

    def __call__(self, epoch: int) -> list[np.ndarray]:
        """Return those of an epoch and begin with the next one's."""
        wanted = self._begin(epoch)
        batches = wanted.result()
        self._known = {epoch: wanted, epoch + 1: self._begin(epoch + 1)}
        return batches

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, epoch: int) -> Future:
        return self._known.get(epoch) or self._pool.submit(self._compute, epoch)
