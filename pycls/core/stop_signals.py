"""Stop requests: SIGTERM, SIGINT and SIGUSR1 ask for a clean stop after the step that runs; a closed pipe for any."""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

EXIT_STOPPED = 75  # exit code of a run that was asked to stop, saved, and can be continued (EX_TEMPFAIL of sysexits.h)
_EXIT_CLOSED_PIPE = 141  # as of a program that SIGPIPE ends

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


# One Ctrl-C reaches a child twice, from the terminal and from its parent; a person's second one comes later.
_SAME_CTRL_C_SEC = 1.0


class Stopped(Exception):
    """A stop was requested while the run waited for data."""


class StopRequest:
    """Remembers that a signal came; a second Ctrl-C stops at once, without saving."""

    def __init__(self) -> None:
        self.requested = False
        self._first_sec = 0.0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        now = time.monotonic()
        if not self.requested:
            self.requested, self._first_sec = True, now
        elif number == signal.SIGINT and now - self._first_sec > _SAME_CTRL_C_SEC:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise Stopped if a stop was requested."""
        if self.requested:
            raise Stopped


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


@contextlib.contextmanager
def quiet_closed_pipe() -> Iterator[None]:
    """End the program silently when its standard output is closed."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if stdout_is_open():
            raise  # another pipe, of a worker process say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes out at its end
        raise SystemExit(_EXIT_CLOSED_PIPE) from None


def stdout_is_open() -> bool:
    """Tell whether what is written to the standard output still goes somewhere."""
    try:
        file = sys.stdout.fileno()
    except (OSError, ValueError):  # no file, or one that is closed
        return True
    poll = select.poll()
    poll.register(file, 0)  # errors are told in any case
    return not poll.poll(0)
