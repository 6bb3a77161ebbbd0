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

from pycls.datasets.readers.endings import FORMATS, LINK, NO_PICTURE, UNREAD_PICTURES
from pycls.datasets.readers.regular_file import MOST_BYTES

JSON_KEYS = ("cls", "label", "class", "target")  # where a label may be, in a sample without .cls


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
        with tarfile.open(file, "r:") as tar:
            samples = groupby(_members(tar), key=lambda member: member.key)
            found = [_sample(shard, file, key, list(members)) for key, members in samples]
    except (tarfile.TarError, EOFError, OverflowError, RecursionError, struct.error) as error:
        raise ValueError(f"{file}: not a tar that can be read, damaged or compressed ({error})") from None
    return [sample for sample in found if sample is not None]


def forward(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of a tar, which keeps none of them; TarError for one that leads back: that would never end."""
    last = -1
    for info in tar:
        tar.members = []  # type: ignore[attr-defined]
        if info.offset <= last or info.size < 0:
            raise tarfile.ReadError(f"{info.name} does not lie behind the member before it")
        last = info.offset
        yield info


def _members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in forward(tar):
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
            data = _read(tar, info)
            member.image = info.offset_data, info.size, zlib.crc32(data)
        elif member.kind in ("cls", "json") and info.isfile():
            member.text = _read(tar, info)
        yield member


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    if info.sparse is not None:
        raise tarfile.ReadError(f"{info.name} is sparse: write the tar without --sparse")
    if info.size > MOST_BYTES:
        raise tarfile.ReadError(f"{info.name} has {info.size:,} bytes, no more than {MOST_BYTES:,} are read")
    stream = tar.extractfile(info)
    data = stream.read() if stream else b""
    if len(data) != info.size:
        raise tarfile.ReadError(f"{info.name} is cut short")
    return data


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
    if not label or "\0" in label:
        raise ValueError(f"{where} has an empty label: {expected}")
    return label


def _json_label(text: bytes, where: str) -> str:
    """Return the label in the first of JSON_KEYS that has a value: a name, or a whole number; "" if there is none."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where}: its .json is not valid: {error}") from None
    known = content if isinstance(content, dict) else {}
    key = next((key for key in JSON_KEYS if known.get(key) is not None), "")
    value = known.get(key, "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{where}: '{key}' in its .json is {json.dumps(value)}, expected a name or a whole number")
    return str(value).strip()
