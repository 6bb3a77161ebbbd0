"""A benchmark that must end in time leaves out what would not fit, and says so."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_RESERVE = 1.2  # a piece of work is begun if this times the longest of its kind so far still fits


class TimeLimit:
    """Counts from when it is made."""

    def __init__(self, seconds: float):
        self._began, self._seconds = time.perf_counter(), seconds
        self._longest: dict[str, float] = {}

    def elapsed(self) -> float:
        """Return the seconds so far."""
        return time.perf_counter() - self._began

    def fits(self, kind: str = "") -> bool:
        """Tell whether one more piece of work fits; one of a new kind is taken to last as long as any so far."""
        expected = self._longest.get(kind, max(self._longest.values(), default=0.0))
        return self.elapsed() + _RESERVE * expected <= self._seconds

    @contextmanager
    def piece(self, kind: str = "") -> Iterator[None]:
        """Time a piece of work."""
        start = self.elapsed()
        yield
        self._longest[kind] = max(self._longest.get(kind, 0.0), self.elapsed() - start)
