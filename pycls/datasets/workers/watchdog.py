"""Notice workers that hang: each piece of work notes its image in its heartbeat, and who waits for it reads that.

A wait has no limit of its own: a slow disk may take long over a large batch. It ends when one and the same image stays
there for DATA_LOADER.TIMEOUT_SEC. Only seconds spent watching count, so that a job that a scheduler puts to
sleep for an hour goes on afterwards.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TypeVar

import numpy as np

from pycls.datasets.heartbeat import NOTHING, HeartbeatBoard
from pycls.datasets.readers.samples import EncodedSamples

T = TypeVar("T")

_POLL_SEC = 0.2
_START_SEC = 60.0  # added to the patience with workers that are busy with nothing: they may still be starting


class Watchdog:
    """Waits for workers; a hanging or dead one ends the wait with the names of the files in flight.

    `timeout_sec` 0: wait for ever. `interrupt` is called while waiting and may raise to end the wait.
    """

    def __init__(
        self,
        samples: EncodedSamples,
        board: HeartbeatBoard,
        timeout_sec: float,
        interrupt: Callable[[], None] = lambda: None,
    ):
        self._samples, self._board, self._timeout_sec, self._interrupt = samples, board, timeout_sec, interrupt
        self._seen, self._still_sec = board.read(), np.zeros(len(board))
        self.gave_up = False  # a worker may still be at work, and will be for ever

    def result(self, future: Future[T]) -> T:
        """Wait for a result; TimeoutError when a worker hangs, ChildProcessError when one died."""
        self.wait([future])
        try:
            return future.result()
        except ChildProcessError as error:
            self.gave_up = True
            raise ChildProcessError(f"{error}; files in flight: {self._names(self._busy())}") from error

    def wait(self, futures: Iterable[Future]) -> None:
        """Wait until all are done, whatever their results; TimeoutError when a worker hangs."""
        for future in futures:
            while not future.done() and wait([future], _POLL_SEC).not_done:
                self._look()

    def settle(self, futures: list[Future]) -> None:
        """Drop what has not begun and wait for the rest, unless a wait was given up already."""
        for future in futures:
            future.cancel()
        if not self.gave_up:
            self.wait(futures)

    def _look(self) -> None:
        """See whether anything moved since the last look; called every _POLL_SEC of a wait."""
        now = self._board.read()
        moved = (now != self._seen).any(axis=1)
        self._still_sec = np.where(moved, 0.0, self._still_sec + _POLL_SEC)
        self._seen = now
        try:
            self._interrupt()
            self._check()
        except BaseException:
            self.gave_up = True
            raise

    def _check(self) -> None:
        """Raise TimeoutError when it is time."""
        if self._timeout_sec <= 0:
            return
        hanging = self._busy(self._timeout_sec)
        rule = f"DATA_LOADER.TIMEOUT_SEC {self._timeout_sec:g}"
        if len(hanging):
            raise TimeoutError(f"{rule}: a loader worker hangs on {self._names(hanging)}")
        if self._still_sec.min() >= self._timeout_sec + _START_SEC:
            raise TimeoutError(f"{rule}: the loader's workers do nothing, and are busy with no file")

    def _busy(self, at_least_sec: float = 0.0) -> np.ndarray:
        """Return the samples that are worked on and have been for some time."""
        busy = self._board.read()[:, 0]
        return busy[(busy != NOTHING) & (self._still_sec >= at_least_sec)]

    def _names(self, indices: np.ndarray) -> str:
        return ", ".join(self._samples.name(index) for index in indices) or "none"
