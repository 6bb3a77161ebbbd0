"""Work that the training loop does not wait for: one job at a time, on a thread of its own, and no error is lost."""

from collections.abc import Callable
from concurrent import futures


class Background:
    """Runs jobs in the order given, one at a time; whoever comes next hears of a job that failed."""

    def __init__(self, name: str):
        self._pool = futures.ThreadPoolExecutor(1, name)  # Python waits for its thread before it exits
        self._running: futures.Future | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job, after the one before has ended; raise what that one raised."""
        self.wait()
        self._running = self._pool.submit(job)

    def check(self) -> None:
        """Raise what the job raised, if it has ended; costs nothing."""
        if self._running is not None and self._running.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the job; raise what it raised, once."""
        if self._running is None:
            return
        futures.wait([self._running])  # may be interrupted: then the job is still known
        ended, self._running = self._running, None
        ended.result()

    def close(self) -> BaseException | None:
        """Wait for the job and end the thread; return what it raised, if nobody has heard of it."""
        self._pool.shutdown()
        ended, self._running = self._running, None
        return ended.exception() if ended is not None else None
