"""Damage files as disks, copies and crashes do: bits flip, bytes change, pages are lost, ends are missing.

    rng = random.Random(7)
    kind, damaged = damage(path.read_bytes(), rng)

Every draw comes from `rng`, so a seed names a damaged file; what comes out is never equal to what went in. Each of the
KINDS is as likely as the others: headers and directory of an archive, a hundredth of a real file, are hit as often as
what they describe.
"""

import random
import re
from collections.abc import Callable

Damage = Callable[[bytes, random.Random], bytes]

PAGE = 4096  # bytes, what a disk or a page cache loses at once
_DIRECTORY, _LOCAL, _END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
_LOCAL_BYTES = 64  # header, name and padding of an archive's record


def damage(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return a kind of KINDS and the bytes damaged so; ValueError for no bytes."""
    if not data:
        raise ValueError("nothing to damage: no bytes")
    while True:
        kind = rng.choice(list(KINDS))
        damaged = KINDS[kind](data, rng)
        if damaged != data:
            return kind, damaged


def _flip(data: bytes, rng: random.Random) -> bytes:
    return _flip_at(data, rng.randrange(len(data)), rng)


def _flip_directory(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit behind the first entry of an archive's directory; anywhere in what is no archive."""
    first = data.find(_DIRECTORY)
    return _flip_at(data, rng.randrange(max(0, first), len(data)), rng)


def _flip_end(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit of the end record, which says where the directory is."""
    return _flip_at(data, rng.randrange(max(0, data.rfind(_END)), len(data)), rng)


def _flip_header(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit in front of a record's bytes: its header, or its name."""
    start = rng.choice([match.start() for match in re.finditer(re.escape(_LOCAL), data)] or [0])
    return _flip_at(data, rng.randrange(start, min(len(data), start + _LOCAL_BYTES)), rng)


def _flip_start(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit of the first page, where the pickle, or another header, says what there is."""
    return _flip_at(data, rng.randrange(min(len(data), PAGE)), rng)


def _byte(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _burst(data: bytes, rng: random.Random) -> bytes:
    start, stop = _span(data, rng, 512)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def _zeros(data: bytes, rng: random.Random) -> bytes:
    """Zero whole pages, as a file system shows those that never reached the disk."""
    start = rng.randrange(0, len(data), PAGE)
    stop = min(len(data), start + PAGE * rng.randint(1, 4))
    return data[:start] + bytes(stop - start) + data[stop:]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _cut_end(data: bytes, rng: random.Random) -> bytes:
    return data[: -rng.randint(1, min(len(data), 256))]


def _cut_page(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(0, len(data), PAGE)]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.randint(1, 64)) + data[at:]


def _append(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.randint(1, 64))


def _delete(data: bytes, rng: random.Random) -> bytes:
    start, stop = _span(data, rng, 64)
    return data[:start] + data[stop:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    """Exchange two pages."""
    first, second = sorted(rng.randrange(0, len(data), PAGE) for _ in range(2))
    pages = data[second : second + PAGE], data[first + PAGE : second], data[first : first + PAGE]
    return data[:first] + b"".join(pages) + data[second + PAGE :] if second > first else data


def _text(data: bytes, rng: random.Random) -> bytes:
    """Return a page that says why there is no file, as a failed download leaves it."""
    return b"<html><head><title>404 Not Found</title></head><body></body></html>\n" * rng.randint(1, 40)


KINDS: dict[str, Damage] = {
    "a bit": _flip,
    "a bit of the directory": _flip_directory,
    "a bit of the end record": _flip_end,
    "a bit of a header": _flip_header,
    "a bit of the first page": _flip_start,
    "a byte": _byte,
    "a burst of bytes": _burst,
    "zeroed pages": _zeros,
    "cut anywhere": _cut,
    "cut near the end": _cut_end,
    "cut at a page": _cut_page,
    "bytes inserted": _insert,
    "bytes appended": _append,
    "bytes missing": _delete,
    "pages exchanged": _swap,
    "another file": _text,
}


def _flip_at(data: bytes, at: int, rng: random.Random) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _span(data: bytes, rng: random.Random, most: int) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.randint(1, most))
