"""Stop requests: SIGTERM, SIGINT and SIGUSR1 ask for a clean stop after the step that runs."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

EXIT_STOPPED = 75  # exit code of a run that was asked to stop, saved, and can be continued (EX_TEMPFAIL of sysexits.h)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class StopRequest:
    """Remembers the first signal; a second Ctrl-C stops at once, without saving."""

    def __init__(self) -> None:
        self.number: int | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = number

    @property
    def requested(self) -> bool:
        """True once a signal has come."""
        return self.number is not None


@contextlib.contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Catch the stop signals while the block runs (main thread only; elsewhere signals are left alone)."""
    request = StopRequest()
    try:
        previous = {number: signal.signal(number, request.handle) for number in _SIGNALS}
    except ValueError:  # not the main thread
        previous = {}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
