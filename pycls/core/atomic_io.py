"""Files and folders that are there as a whole or not at all, whatever happens to the program or the machine."""

import errno
import io
import itertools
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO


@contextmanager
def atomic_file(
    path: Path, unfinished: Path | None = None, check: Callable[[Path], Any] = lambda written: None
) -> Iterator[BinaryIO]:
    """Open a file, to be read, too, that gets its name when all of it is on the disk and `check` has not raised.

    Until then it is `unfinished`, on the same file system, or a hidden file beside `path`; an error removes it and
    leaves what was there before.
    """
    unfinished = unfinished or unfinished_name(path)
    try:
        with unfinished.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        check(unfinished)
        rename_durably(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, unfinished: Path | None = None) -> Iterator[Path]:
    """Make a folder of files that gets its name, in the place of an older one, when all of it is on the disk.

    Until then it is `unfinished`, on the same file system, or a hidden folder beside `path`; an error removes it, and
    what was there before stays.
    """
    unfinished = unfinished or unfinished_name(path)
    shutil.rmtree(unfinished, ignore_errors=True)  # what a killed process left
    unfinished.mkdir()
    try:
        yield unfinished
        for file in (*unfinished.iterdir(), unfinished):
            _fsync(file)
        _replace_folder(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _replace_folder(source: Path, target: Path) -> None:
    """Rename a folder; an older one is moved away first, since a folder with files in it cannot be renamed over."""
    while True:
        try:
            return rename_durably(source, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        old = unfinished_name(target)
        with suppress(FileNotFoundError):  # another process has just done it
            os.replace(target, old)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """Open a file for text, UTF-8 without changes of its line ends, that is there as a whole or not at all.

    Names of folders may be any bytes, which are written as they are. A pipe or a device is written to as it comes, and
    of a link the file that it names. An OSError names the file.
    """
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with naming(path):
        if path.exists() and not path.is_file():
            with path.open("w", **options) as text:
                yield text
            return
        with atomic_file(path.resolve()) as file:
            text = io.TextIOWrapper(file, **options)
            yield text
            text.flush()
            text.detach()  # the file is closed by who opened it


def write_durably(path: Path, data: bytes) -> None:
    """Write a small file; an OSError names it."""
    with naming(path), atomic_file(path) as file:
        file.write(data)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError in the block that names no file, as that of a full disk, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def rename_durably(source: Path, target: Path) -> None:
    """Rename a file whose bytes are on the disk, and wait until its new name is there as well."""
    os.replace(source, target)
    _fsync(target.parent)


def set_aside(path: Path) -> Path:
    """Rename what is not to be written over, whatever it is, to NAME.damaged; return its new name."""
    free = (path.with_name(f"{path.name}.damaged{number or ''}") for number in itertools.count())
    aside = next(other for other in free if not os.path.lexists(other))
    rename_durably(path, aside)
    return aside


def _fsync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


UNFINISHED = f".*.{8 * '[0-9a-f]'}.tmp"  # the pattern of such names


def unfinished_name(path: Path) -> Path:
    """Return a name beside `path` that no other process takes, on whatever machine."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
