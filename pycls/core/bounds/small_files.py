"""Read files that are meant to be small: regular ones only, and never more than a limit."""

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def read_small(path: str | Path, most_bytes: int, what: str) -> bytes:
    """Return the content of a file of at most `most_bytes`; a link is followed.

    ValueError, which begins with `what`, for one that is larger, and for what is no regular file: a device has no end,
    and a pipe may never begin. OSError as usual.
    """
    file_id = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # to open a pipe would wait for its writer
    try:
        mode = os.fstat(file_id).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError(f"{what} is {kind_of(mode)}, expected a file")
        with open(file_id, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(file_id)
    if len(content) > most_bytes:
        raise ValueError(f"{what} has more than {most_bytes:,} bytes, which are the most it may have")
    return content


def kind_of(mode: int) -> str:
    """Return in words what something is that is no regular file, by its st_mode."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")
