"""The layout of an archive (zip) as torch.save writes it; of any other kind nothing is read.

The readers of Python and of torch take one damaged directory for different things. Here it has to say one thing: an
entry for each record, headers that repeat it, plain bytes that do not overlap, and an end record at the very end.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAGIC = b"PK\x03\x04"
CHUNK = 1 << 20  # bytes read at once
_MOST_DIRECTORY = 64 << 20  # bytes: half a million records

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_ELSEWHERE_16, _ELSEWHERE_32 = 0xFFFF, 0xFFFFFFFF  # "see the 64-bit field"
_SIZES_BEHIND = 1 << 3  # flag: the header in front leaves sizes and checksum to what follows the bytes
_IS_FOLDER = 1 << 4  # attribute: torch's reader gives such a record no bytes, and leaves its tensor as it was
_KNOWN_FLAGS = _SIZES_BEHIND | 1 << 11  # and: names are UTF-8


class Record(NamedTuple):
    """Where the bytes of a record are, and their CRC-32."""

    start: int
    size: int
    crc: int


class Archive(NamedTuple):
    """The records by name, without the folder that all of them are in; and the end record's comment."""

    records: dict[str, Record]
    comment: bytes


class _Entry(NamedTuple):
    """What the directory says of a record."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int  # offset


def read_archive(file: BinaryIO) -> Archive:
    """Read the layout of an archive; ValueError, in a few words, for one that torch.save cannot have written."""
    size = file.seek(0, 2)
    directory_start, directory_end, count, comment = _read_end(file, size)
    if directory_end - directory_start > _MOST_DIRECTORY:
        raise ValueError(f"a directory of {(directory_end - directory_start) / 1e6:,.0f} MB")
    entries = list(_entries(_read(file, directory_start, directory_end - directory_start)))
    if len(entries) != count:
        raise ValueError(f"its directory has {len(entries)} records and says {count}")
    records: dict[str, Record] = {}
    behind = 0
    for entry in sorted(entries, key=lambda entry: entry.header):
        start = _content_start(file, entry, behind, directory_start)
        behind = start + entry.size
        if behind > directory_start:
            raise ValueError(f"record {entry.name!r:.60} does not fit into the file")
        records[_inner_name(entry.name)] = Record(start, entry.size, entry.crc)
    if len({name.lower() for name in records}) < len(entries):
        raise ValueError("two records have the same name")  # torch's reader ignores case
    return Archive(records, comment)


def check_records(file: BinaryIO, archive: Archive) -> None:
    """Raise ValueError naming the first record whose bytes do not have its checksum."""
    for name, record in archive.records.items():
        crc = 0
        for part in pieces(file, record.start, record.size):
            crc = zlib.crc32(part, crc)
        if crc != record.crc:
            raise ValueError(f"record {name} is damaged")


def pieces(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of a part of a file, some at a time; ValueError if it ends before."""
    file.seek(start)
    while size:
        part = file.read(min(size, CHUNK))
        if not part:
            raise ValueError("the file is cut off")
        size -= len(part)
        yield part


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    return b"".join(pieces(file, start, size))


def _read_end(file: BinaryIO, size: int) -> tuple[int, int, int, bytes]:
    """Return where the directory begins and ends, its number of entries, and the comment."""
    tail_start = max(0, size - _END.size - 0xFFFF)
    tail = _read(file, tail_start, size - tail_start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise ValueError("the end of the file is missing")
    _, disk, first_disk, here, count, length, start, comment_length = _END.unpack_from(tail, at)
    comment = tail[at + _END.size :]
    if len(comment) != comment_length:
        raise ValueError("something follows its end record, or part of it is missing")
    end = tail_start + at
    if end >= _LOCATOR.size + _END64.size:
        marks = _LOCATOR.unpack(_read(file, end - _LOCATOR.size, _LOCATOR.size))
        if marks[0] == b"PK\x06\x07":
            return *_read_end64(file, marks, (disk, first_disk, here, count, length, start), end), comment
    if disk or first_disk or here != count or start + length != end:
        raise ValueError("its end record is damaged")
    return start, end, count, comment


def _read_end64(file: BinaryIO, marks: tuple, short: tuple, end: int) -> tuple[int, int, int]:
    """Return start, end and number of entries as the 64-bit end record says, which the short one may not contradict."""
    at = end - _LOCATOR.size - _END64.size
    magic, record_size, _, _, disk, first_disk, here, count, length, start = _END64.unpack(_read(file, at, _END64.size))
    whole = (disk, first_disk, here, count, length, start)
    most = (_ELSEWHERE_16,) * 4 + (_ELSEWHERE_32,) * 2
    agree = all(a == b or (a == none and b >= none) for a, b, none in zip(short, whole, most, strict=True))
    placed = marks[1:] == (0, at, 1) and magic == b"PK\x06\x06" and record_size == _END64.size - 12
    if not (agree and placed) or disk or first_disk or here != count or start + length != at:
        raise ValueError("its end record is damaged")
    return start, at, count


def _entries(directory: bytes) -> Iterator[_Entry]:
    """Yield what the directory says of each record."""
    at = 0
    while at < len(directory):
        if at + _ENTRY.size > len(directory):
            raise ValueError("its directory is cut off")
        fields = _ENTRY.unpack_from(directory, at)
        magic, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length = fields[:13]
        disk, _, attributes, header = fields[13:]
        name_end = at + _ENTRY.size + name_length
        at = name_end + extra_length + comment_length
        if magic != b"PK\x01\x02" or disk or comment_length or attributes & _IS_FOLDER or at > len(directory):
            raise ValueError("its directory is damaged")
        name = directory[name_end - name_length : name_end]
        wide = _wide(directory[name_end : name_end + extra_length], [size, packed, header])
        yield _Entry(name, flags, method, crc, wide[1], wide[0], wide[2])


def _wide(extra: bytes, narrow: list[int]) -> list[int]:
    """Return 32-bit fields with those that did not fit taken from the extra field for 64 bits, in their order."""
    missing = [place for place, value in enumerate(narrow) if value == _ELSEWHERE_32]
    found = _extra_64(extra) if missing else []
    if len(found) < len(missing):
        raise ValueError("its directory lacks a size")
    for place, value in zip(missing, found, strict=False):
        narrow[place] = value
    return narrow


def _extra_64(extra: bytes) -> list[int]:
    """Return the numbers of the extra field for 64 bits, none without one."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1:
            return [number for (number,) in struct.iter_unpack("<Q", body[: length - length % 8])]
    return []


def _content_start(file: BinaryIO, entry: _Entry, behind: int, directory_start: int) -> int:
    """Return where a record's bytes begin; ValueError unless its header says what the directory says."""
    shown = f"record {entry.name!r:.60}"
    if entry.method or entry.packed != entry.size:
        sizes = f"{entry.packed:,} bytes from {entry.size:,}"
        raise ValueError(f"{shown} is compressed, {sizes}; torch.save compresses nothing")
    if not behind <= entry.header <= directory_start - _LOCAL.size:
        raise ValueError(f"{shown} is not where the directory says, or shares bytes with another")
    magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(
        _read(file, entry.header, _LOCAL.size)
    )
    name = _read(file, entry.header + _LOCAL.size, name_length)
    later = (0, entry.size, _ELSEWHERE_32) if flags & _SIZES_BEHIND else (entry.size, _ELSEWHERE_32)
    agree = (flags, method, name) == (entry.flags, entry.method, entry.name) and not flags & ~_KNOWN_FLAGS
    crcs = (0, entry.crc) if flags & _SIZES_BEHIND else (entry.crc,)
    if magic != MAGIC or not agree or packed not in later or size not in later or crc not in crcs:
        raise ValueError(f"{shown} and the directory contradict one another")
    return entry.header + _LOCAL.size + name_length + extra_length


def _inner_name(name: bytes) -> str:
    """Return a record's name without the folder that torch.save puts all of them in."""
    try:
        folder, _, inner = name.decode().partition("/")
    except UnicodeDecodeError:
        raise ValueError(f"record {name!r:.60} has a name that is no text") from None
    return inner or folder
