"""A FIFO that nobody writes to stands for a file on a disk that does not answer: opening it never returns."""

import os
import time
from pathlib import Path
from unittest import mock

from pycls.datasets.readers import folder_cache, folder_scan


def make_hang(file: Path) -> None:
    """Put a FIFO in the place of a file."""
    file.unlink()
    os.mkfifo(file)


def keep_list(top: Path) -> None:
    """Keep the list of a tree as if a FIFO in it were a file, as one is whose disk hangs later."""
    with (
        mock.patch.object(folder_scan, "_is_file", return_value=True),
        mock.patch.object(folder_cache, "SETTLED_SEC", -1),
    ):
        folder_cache.load_tree(top)


def open_when_read(fifo: str | Path, timeout_sec: float = 100) -> int:
    """Wait until somebody reads the FIFO and return a descriptor to write to it; until that is closed reading hangs."""
    end = time.monotonic() + timeout_sec
    while time.monotonic() < end:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.05)
    raise AssertionError("the file was never read")
