"""A FIFO that nobody writes to stands for a file on a disk that does not answer: opening it never returns."""

import os
import time
from pathlib import Path


def make_hang(file: Path) -> None:
    """Put a FIFO in the place of a file."""
    file.unlink()
    os.mkfifo(file)


def open_when_read(fifo: str | Path, timeout_sec: float = 100) -> int:
    """Wait until somebody reads the FIFO and return a descriptor to write to it; until that is closed reading hangs."""
    end = time.monotonic() + timeout_sec
    while time.monotonic() < end:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.05)
    raise AssertionError("the file was never read")
