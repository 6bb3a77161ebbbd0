"""The samples in one tar of webdataset's format: which members belong together, where the image lies, what it shows."""

import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pycls.datasets.readers.endings import FORMATS

JSON_KEYS = ("cls", "label", "class", "target")  # where a label may be, in a sample without .cls


class Found(NamedTuple):
    """One image in a tar."""

    shard: int
    name: str  # <tar>/<member>
    offset: int
    size: int
    crc32: int
    label: str  # as it is written


@dataclass
class _Member:
    key: str  # name up to the first dot
    kind: str  # what follows it, in lower case
    image: tuple[str, int, int, int] | None = None  # name, offset, size, CRC-32
    text: bytes = b""  # of what holds a label


def scan_tar(shard: int, file: Path) -> list[Found]:
    """Read a tar from front to back; ValueError for one that is damaged or compressed, and a sample without a label."""
    try:
        with tarfile.open(file, "r:") as tar:
            samples = groupby(_members(tar), key=lambda member: member.key)
            found = [_sample(shard, file, key, list(members)) for key, members in samples]
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{file}: not a tar that can be read, damaged or compressed ({error})") from None
    return [sample for sample in found if sample is not None]


def _members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        tar.members = []  # type: ignore[attr-defined]  # else it keeps all of them
        folder, _, base = info.name.removeprefix("./").rpartition("/")
        if not info.isfile() or base.startswith("."):
            continue
        stem, _, ending = base.partition(".")
        member = _Member(f"{folder}/{stem}", ending.lower())
        last = member.kind.rpartition(".")[2]
        if f".{last}" in FORMATS:
            data = _read(tar, info)
            member.image = info.name, info.offset_data, info.size, zlib.crc32(data)
        elif member.kind in ("cls", "json"):
            member.text = _read(tar, info)
        yield member


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(info)
    data = stream.read() if stream else b""
    if len(data) != info.size:
        raise tarfile.ReadError(f"{info.name} is cut short")
    return data


def _sample(shard: int, file: Path, key: str, members: list[_Member]) -> Found | None:
    """Return the image of a sample and its label; None for one without an image."""
    images = [member for member in members if member.image]
    if len(images) > 1:  # masks and the like have a name of their own before the ending
        images = [member for member in images if "." not in member.kind] or images
    if not images:
        return None
    if len(images) > 1:
        raise ValueError(f"{file}: sample {key.lstrip('/')} has {len(images)} images, expected one")
    label = _label({member.kind: member.text for member in members}, f"{file}: sample {key.lstrip('/')}")
    assert images[0].image is not None
    name, offset, size, crc32 = images[0].image
    return Found(shard, f"{file.stem}/{name}", offset, size, crc32, label)


def _label(texts: dict[str, bytes], where: str) -> str:
    expected = f"expected a member .cls, or .json with one of {', '.join(JSON_KEYS)}"
    if "cls" in texts:
        label = texts["cls"].decode(errors="surrogateescape").strip()
    elif "json" in texts:
        try:
            content = json.loads(texts["json"])
        except ValueError as error:
            raise ValueError(f"{where}: its .json is not valid: {error}") from None
        known = content if isinstance(content, dict) else {}
        label = next((str(known[key]).strip() for key in JSON_KEYS if key in known), "")
    else:
        raise ValueError(f"{where} has no label: {expected}")
    if not label or "\0" in label:
        raise ValueError(f"{where} has an empty label: {expected}")
    return label
