"""Files that are there as a whole or not at all, whatever happens to the program or the machine."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def atomic_file(
    path: Path, unfinished: Path | None = None, check: Callable[[Path], Any] = lambda written: None
) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all of it is on the disk and `check` has not raised.

    Until then it is `unfinished`, of the same file system, or a hidden file beside `path`; an error removes it and leaves
    what was there before.
    """
    unfinished = unfinished or unfinished_name(path)
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(unfinished)
        rename_durably(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """Write a small file."""
    with atomic_file(path) as file:
        file.write(data)


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file whose bytes are on the disk, and wait until its new name is there as well."""
    os.replace(source, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unfinished_name(path: Path) -> Path:
    """Return a name beside `path` that no other process takes, on whatever machine."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
