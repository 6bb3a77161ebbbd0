"""Read whole files of bounded size: what is no file, or has no end, is refused before it is read."""

import os
import stat
from collections.abc import Callable

# Of one file of a data set. Decoded, the largest image that is shown (datasets/decoders/limits.py) has half of it as
# RGB of 8 bits.
MOST_BYTES = 1 << 30
_BLOCK = 1 << 20
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def read_regular(path: str | os.PathLike[str], most_bytes: int = MOST_BYTES, what: str = "it") -> bytes:
    """Return the bytes of a file; a link is followed.

    ValueError, which begins with `what`, for what is no regular file, or has more than `most_bytes`; OSError for what
    cannot be read. Opening a pipe would wait for its writer, reading a device (a link to /dev/zero) might never end.
    """
    check_regular(os.stat(path), most_bytes, what)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        check_regular(status, most_bytes, what)  # it may have been replaced
        return _read(file.read, status.st_size, most_bytes, what)


def check_regular(status: os.stat_result, most_bytes: int | None = MOST_BYTES, what: str = "it") -> None:
    """Raise ValueError for what is no regular file, or too long to be read (None: never)."""
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{what} is {kind_of(status.st_mode)}, expected a file")
    if most_bytes is not None:
        check_size(status.st_size, most_bytes, what)


def check_size(num_bytes: int, most_bytes: int = MOST_BYTES, what: str = "it") -> None:
    """Raise ValueError for more bytes than are read of one file."""
    if num_bytes > most_bytes:
        raise ValueError(f"{what} has more than {most_bytes:,} bytes, the most that are read of one")


def kind_of(mode: int) -> str:
    """Return in words what something is that is no regular file, by its st_mode."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _read(read: Callable[[int], bytes], expected: int, most_bytes: int, what: str) -> bytes:
    """Read to the end, which need not be where the file's size says (in /proc it says nothing)."""
    blocks = [read(expected)] if expected else []
    size = sum(map(len, blocks))
    while block := read(_BLOCK):
        blocks.append(block)
        size += len(block)
        check_size(size, most_bytes, what)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
