"""Stop requests by signals: a command ends in one line, a training after the step that runs; a closed pipe for any."""

import _thread
import atexit
import contextlib
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

EXIT_STOPPED = 75  # asked to stop, or bereft of a process: the same command goes on (EX_TEMPFAIL of sysexits.h)
EXIT_INTERRUPTED = 130  # ended at once by Ctrl-C, as a shell says it of a program without handlers
_EXIT_CLOSED_PIPE = 141  # as of a program that SIGPIPE ends

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)

# One Ctrl-C reaches a child twice, from the terminal and from its parent; a person's second one comes later.
_SAME_CTRL_C_SEC = 1.0
_PATIENCE_SEC = 10.0  # for what a command that is ended at once still tidies up


class Stopped(Exception):
    """A stop was requested while the run waited for data."""


class PeerLostError(Exception):
    """Another process of the run is gone, or does not answer; the same command goes on."""


class Interrupted(KeyboardInterrupt):
    """A signal that ends the command at once, in the main thread."""

    def __init__(self, number: int, ending: "Ending | None" = None):
        super().__init__(signal.Signals(number).name)
        self.number, self.ending = number, ending


class StopRequest:
    """Remembers that a signal came; a second Ctrl-C stops at once, without saving."""

    def __init__(self) -> None:
        self.requested = False
        self.ending: Ending | None = None  # of the command that this is a part of
        self._first_sec = 0.0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if number == signal.SIGHUP:
            leave_terminal()
        now = time.monotonic()
        if not self.requested:
            self.requested, self._first_sec = True, now
        elif number == signal.SIGINT and now - self._first_sec > _SAME_CTRL_C_SEC:
            self._first_sec = float("inf")  # a third one must not disturb the end
            if self.ending is not None:
                self.ending.handle(number, frame)
            raise Interrupted(number)

    def check(self) -> None:
        """Raise Stopped if a stop was requested."""
        if self.requested:
            raise Stopped


@contextlib.contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Catch the stop signals while the block runs (main thread only; elsewhere signals are left alone)."""
    request = StopRequest()
    previous = handle_signals(request.handle)
    outer = getattr(previous.get(signal.SIGINT), "__self__", None)
    request.ending = outer if isinstance(outer, Ending) else None
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def handle_signals(handler: Callable[[int, FrameType | None], Any]) -> dict[int, Any]:
    """Set the handler of all stop signals; return those before. A SIGHUP that is ignored stays so: that is nohup.

    Nothing is done, and nothing returned, outside of the main thread.
    """
    numbers = [n for n in STOP_SIGNALS if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    try:
        return {number: signal.signal(number, handler) for number in numbers}
    except ValueError:
        return {}


def leave_terminal() -> None:
    """Write no more to a terminal that has hung up: every line would be an error, in the place of the run's own end."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            status = os.fstat(descriptor)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev != os.fstat(nowhere).st_rdev:
                os.dup2(nowhere, descriptor)
    os.close(nowhere)


class Ending:
    """Ends this process at the first stop signal, by an exception in its main thread; what then hangs, ends hard."""

    def __init__(self, prog: str = ""):
        self.prog = prog  # whose line it is; "": none is said
        self.number = 0  # the signal, once there is one
        self.code = 1  # the exit code of the command, once it is known; until then an error's

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        if number == signal.SIGHUP:
            leave_terminal()
        if self.number:
            return
        self.number = number
        # An exception would be turned into another, or lost, by half-imported modules; nothing is begun in them.
        if _is_importing(frame):
            self.end_now()
        _thread.start_new_thread(self._end_what_hangs, ())
        raise Interrupted(number, self)

    def exit_code(self) -> int:
        """Return the exit code that the signal means."""
        return EXIT_INTERRUPTED if self.number == signal.SIGINT else EXIT_STOPPED

    def say(self) -> None:
        """Say in a line what ended the command."""
        if self.prog:
            name = "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name
            line = f"{self.prog}: stopped by {name}; the same command goes on, or starts again\n"
            with contextlib.suppress(OSError):  # nobody listens
                os.write(2, line.encode())

    def end_now(self) -> None:
        """End the process, whatever it is doing."""
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        self.say()
        os._exit(self.exit_code())

    def unraisable(self, lost: Any) -> None:
        """End the process when the exception got lost, in a destructor say (sys.unraisablehook)."""
        if self.number:
            self.end_now()
        sys.__unraisablehook__(lost)

    def _end_what_hangs(self) -> None:
        """End the process when the exception is not heeded (thread)."""
        end = time.monotonic() + _PATIENCE_SEC
        while time.monotonic() < end:
            time.sleep(0.1)
            if not self.number:  # accepted, or over
                return
        self.end_now()


def accept(interrupt: KeyboardInterrupt) -> None:
    """Leave the end to who has caught an interrupt: there is time to save what there is; another one ends that."""
    if isinstance(interrupt, Interrupted) and interrupt.ending is not None:
        interrupt.ending.number = 0


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def ended_by_signals(prog: str) -> Iterator[Ending]:
    """Let a stop signal end the block, the whole of a command, in one line: SystemExit(130) for Ctrl-C, 75 for others.

    The signals stay caught until the process is over; they end it then with the `code` that the block has set.
    """
    ending = Ending(prog if os.environ.get("RANK", "0") == "0" else "")
    if not handle_signals(ending.handle):
        yield ending
        return
    atexit.register(_ignore_signals)
    sys.unraisablehook = ending.unraisable
    try:
        yield ending
    except SystemExit as end:
        ending.code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except BaseException as error:
        if isinstance(error, Interrupted):  # a second Ctrl-C in a training, too
            ending.number = error.number
        if not ending.number:
            raise
        ending.say()
        ending.code = ending.exit_code()
        raise SystemExit(ending.code) from None
    finally:
        handle_signals(lambda number, frame: os._exit(ending.code))
        ending.number = 0  # nothing hangs


def _ignore_signals() -> None:
    """Let signals do nothing from here on: Python, which ends, would give them back to the system, which kills."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


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
