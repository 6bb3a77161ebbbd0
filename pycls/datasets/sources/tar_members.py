"""The samples in one tar of webdataset's format: which members belong together, where the image lies, what it shows."""

import json
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pycls.core.bounds.names import is_name
from pycls.core.registry import shown
from pycls.datasets.readers.endings import FORMATS, LINK, NO_PICTURE, UNREAD_PICTURES

JSON_KEYS = ("cls", "label", "class", "target")  # where a label may be, in a sample without .cls


_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MOST_HEADER_BYTES = 1_000_000  # a name and its attributes
_MOST_TEXT_BYTES = 20_000_000  # of a .json, which may hold more than a label
_LONGEST_LABEL, _LONGEST_NAME = 10_000, 15_000  # characters; an index keeps 65,535 bytes of a name
_LARGEST = 2**63 - 1
_PART_BYTES = 1 << 20


class Found(NamedTuple):
    """One image in a tar."""

    shard: int
    name: str  # <tar>/<member>
    offset: int
    size: int
    crc32: int
    label: str  # as it is written


class Lost(NamedTuple):
    """A sample without an image that can be read."""

    name: str  # <tar>/<member>
    reason: str  # one of those in pycls.datasets.readers.endings


@dataclass
class _Member:
    name: str
    key: str  # name up to the first dot
    kind: str  # what follows it, in lower case
    image: tuple[int, int, int] | None = None  # offset, size, CRC-32
    unread: str = ""  # why what is called an image is not read
    text: bytes = b""  # of what holds a label


def scan_tar(shard: int, file: Path) -> list[Found | Lost]:
    """Read a tar from front to back; ValueError for one that is damaged or compressed, and an image without a label."""
    try:
        with open_tar(file) as tar:
            samples = groupby(_members(tar, file), key=lambda member: member.key)
            found = [_sample(shard, file, key, list(members)) for key, members in samples]
    except (tarfile.TarError, EOFError, OverflowError, RecursionError, struct.error) as error:
        raise ValueError(f"{file}: not a tar that can be read, damaged or compressed ({error})") from None
    return [sample for sample in found if sample is not None]


def open_tar(file: Path) -> tarfile.TarFile:
    """Open a tar, whose first header is read at once."""
    try:
        return tarfile.open(file, "r:", tarinfo=_BoundedInfo)
    except (ValueError, OverflowError, RecursionError) as error:
        raise tarfile.ReadError(str(error)) from None


class _BoundedInfo(tarfile.TarInfo):
    """A header that is refused before what it announces is taken in."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        """Read what follows the header: tarfile's own hook, for names and attributes that need blocks of their own."""
        if not 0 <= self.size <= (_MOST_HEADER_BYTES if self.type in _HEADERS else _LARGEST):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes at {self.offset:,}")
        return super()._proc_member(tar)  # type: ignore[misc]


def forward(tar: tarfile.TarFile, file: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members in order; ReadError for what tarfile cannot read, or would read for ever."""
    end, total = 0, file.stat().st_size
    while True:
        try:
            info = tar.next()
        except (ValueError, OverflowError, RecursionError, OSError) as error:  # numbers that are none, and the like
            raise tarfile.ReadError(f"at {end:,}: {error}") from None
        if info is None:
            return
        tar.members = []  # type: ignore[attr-defined]  # else it keeps all of them
        if len(info.name) > _LONGEST_NAME:
            raise tarfile.ReadError(f"a name of {len(info.name):,} characters, {_LONGEST_NAME:,} at most")
        if info.issparse():  # of which only what is no hole lies in the tar
            raise tarfile.ReadError(f"{shown(info.name)} is a sparse file")
        if info.size < 0 or info.offset_data <= end or (info.isfile() and info.offset_data + info.size > total):
            raise tarfile.ReadError(f"{shown(info.name)} is cut short")
        end = info.offset_data
        yield info


def _members(tar: tarfile.TarFile, file: Path) -> Iterator[_Member]:
    for info in forward(tar, file):
        folder, _, base = info.name.removeprefix("./").rpartition("/")
        if base.startswith(".") or not (info.isfile() or info.islnk() or info.issym()):
            continue
        stem, _, ending = base.partition(".")
        member = _Member(info.name, f"{folder}/{stem}", ending.lower())
        last = f".{member.kind.rpartition('.')[2]}"
        if last in UNREAD_PICTURES:
            member.unread = last
        elif last in FORMATS and not info.isfile():
            member.unread = LINK
        elif last in FORMATS:
            member.image = info.offset_data, info.size, _checksum(tar, info)
        elif member.kind in ("cls", "json") and info.isfile():
            if info.size > _MOST_TEXT_BYTES:
                raise tarfile.ReadError(f"{shown(info.name)} has {info.size:,} bytes, {_MOST_TEXT_BYTES:,} at most")
            member.text = b"".join(_read(tar, info))
        yield member


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    """Yield the bytes of a member, a part at a time: an image may be larger than it should be."""
    stream, left = tar.extractfile(info), info.size
    while stream and (part := stream.read(min(left, _PART_BYTES))):
        left -= len(part)
        yield part
    if left:
        raise tarfile.ReadError(f"{shown(info.name)} is cut short")


def _checksum(tar: tarfile.TarFile, info: tarfile.TarInfo) -> int:
    crc32 = 0
    for part in _read(tar, info):
        crc32 = zlib.crc32(part, crc32)
    return crc32


def _sample(shard: int, file: Path, key: str, members: list[_Member]) -> Found | Lost | None:
    """Return the image of a sample and its label, or that there is none to be read; None for other things.

    Masks and the like have a name of their own before the ending.
    """
    images = [member for member in members if member.image or member.unread]
    images = [member for member in images if "." not in member.kind] or images
    images = [member for member in images if member.image] or images[:1]
    where = f"{file}: sample {key.lstrip('/')}"
    if len(images) > 1:
        raise ValueError(f"{where} has {len(images)} images, expected one")
    texts = {member.kind: member.text for member in members}
    if not images:
        return Lost(f"{file.stem}/{members[0].name}", NO_PICTURE) if _is_labeled(texts) else None
    name = f"{file.stem}/{images[0].name}"
    if images[0].image is None:
        return Lost(name, images[0].unread)
    offset, size, crc32 = images[0].image
    return Found(shard, name, offset, size, crc32, _label(texts, where))


def _is_labeled(texts: dict[str, bytes]) -> bool:
    try:
        return bool(_label(texts, ""))
    except ValueError:
        return False


def _label(texts: dict[str, bytes], where: str) -> str:
    expected = f"expected a member .cls, or .json with one of {', '.join(JSON_KEYS)}"
    if "cls" in texts:
        label = texts["cls"].decode(errors="surrogateescape").strip()
    elif "json" in texts:
        label = _json_label(texts["json"], where)
    else:
        raise ValueError(f"{where} has no label: {expected}")
    if not label:
        raise ValueError(f"{where} has an empty label: {expected}")
    if not is_name(label) or len(label) > _LONGEST_LABEL:
        raise ValueError(f"{where} has a label that is no name: {shown(label)}")
    return label


def _json_label(text: bytes, where: str) -> str:
    """Return the label in the first of JSON_KEYS that has a value: a name, or a whole number; "" if there is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: its .json is not valid: {error}") from None
    known = content if isinstance(content, dict) else {}
    key = next((key for key in JSON_KEYS if known.get(key) is not None), "")
    value = known.get(key, "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{where}: '{key}' in its .json is {json.dumps(value)}, expected a name or a whole number")
    return str(value).strip()
