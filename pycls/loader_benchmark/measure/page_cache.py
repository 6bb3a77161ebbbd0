"""Take files out of the system's page cache, and see how much of them is in it; works without root."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

_LOOK_BYTES = 1 << 20  # of each file that are looked for in the cache


def can_drop() -> bool:
    """Tell whether the system lets us drop files from its cache."""
    return hasattr(os, "posix_fadvise")


def drop(paths: Iterable[str]) -> None:
    """Ask the system to forget the contents of files; what is not on the disk yet is written first."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def file_of(name: str) -> str:
    """Return the file that an image's name leads to: the name itself, or the archive that it lies in."""
    return str(next((path for path in (Path(name), *Path(name).parents) if path.is_file()), name))


def cached_fraction(paths: Sequence[str]) -> float | None:
    """Return which part (0..1) of the files' bytes is in the cache; None where the system cannot tell.

    Looking may bring a file in: drop it again.
    """
    try:
        found = [_cached_bytes(path) for path in paths]
    except (OSError, AttributeError):
        return None
    return sum(cached for cached, _ in found) / max(1, sum(size for _, size in found))


def _cached_bytes(path: str) -> tuple[int, int]:
    """Return (bytes that can be read without waiting for the disk, bytes asked for) of a file's beginning."""
    file, done = os.open(path, os.O_RDONLY), 0
    try:
        size = min(os.fstat(file).st_size, _LOOK_BYTES)
        while done < size:
            count = os.preadv(file, [bytearray(size - done)], done, os.RWF_NOWAIT)
            if count == 0:
                break
            done += count
    except BlockingIOError:  # the next byte is on the disk
        pass
    finally:
        os.close(file)
    return done, size


def cold_reason(paths: Sequence[str]) -> str:
    """Return why these files cannot be measured cold; an empty string when they can. Drops them."""
    if not can_drop():
        return "the system has no posix_fadvise"
    if other := [path for path in paths if not os.path.isfile(path)]:
        return f"{other[0]} is no file whose cache could be emptied"
    drop(paths)
    share = cached_fraction(paths)
    drop(paths)
    if share is not None and share > 0.05:
        return f"{100 * share:.0f} % of the bytes stay in memory after they were dropped (tmpfs, or files in use?)"
    return ""
