"""Read whole files of data sets: what is no file, or has no end, is refused before it is read."""

import os
import stat
from collections.abc import Callable

from pycls.core.bounds.small_files import kind_of

# Of one file. Decoded, the largest image that is shown (decoders/limits.py) has half of it as RGB of 8 bits.
MOST_BYTES = 1 << 30
_BLOCK = 1 << 20


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file; OSError if it cannot be read, ValueError if it is none, or longer than MOST_BYTES.

    Opening a pipe would wait for its writer, and reading a device (a link to /dev/zero) might never end.
    """
    check_regular(os.stat(path))
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        check_regular(status)  # it may have been replaced
        return _read(file.read, status.st_size)


def check_regular(status: os.stat_result, most: int | None = MOST_BYTES) -> None:
    """Raise ValueError, which says what it is, for what is no regular file, or too long to be read (None: never)."""
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"it is no regular file, but {kind_of(status.st_mode)}")
    if most is not None:
        check_size(status.st_size, most)


def check_size(num_bytes: int, most: int = MOST_BYTES) -> None:
    """Raise ValueError for more bytes than are read of one file."""
    if num_bytes > most:
        raise ValueError(f"it has {num_bytes:,} bytes, of one file no more than {most:,} are read")


def _read(read: Callable[[int], bytes], expected: int) -> bytes:
    """Read to the end, which need not be where the file's size says (in /proc it says nothing)."""
    blocks = [read(expected)] if expected else []
    size = sum(map(len, blocks))
    while block := read(_BLOCK):
        blocks.append(block)
        size += len(block)
        check_size(size, MOST_BYTES)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
