"""A lease stands for a disk that does not answer: opening the file waits until this process lets go of it.

Linux breaks it after 45 seconds (/proc/sys/fs/lease-break-time) from the first that waits.
"""

import fcntl
import os
import signal
import time
from pathlib import Path

_HELD: dict[str, int] = {}  # file -> descriptor that holds its lease


def make_hang(file: str | Path) -> None:
    """Have everybody wait who opens a file, which stays what it is; `release` ends it, and the end of this process."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)  # it tells that somebody waits, and would end this process
    descriptor = os.open(file, os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    _HELD[str(file)] = descriptor


def wait_until_opened(file: str | Path, timeout_sec: float = 100) -> None:
    """Wait until somebody waits for the file."""
    end = time.monotonic() + timeout_sec
    while fcntl.fcntl(_HELD[str(file)], fcntl.F_GETLEASE) == fcntl.F_WRLCK:
        if time.monotonic() > end:
            raise AssertionError("the file was never read")
        time.sleep(0.05)


def release(file: str | Path) -> None:
    """Let go of a file."""
    os.close(_HELD.pop(str(file)))
