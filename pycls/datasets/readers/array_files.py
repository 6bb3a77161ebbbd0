"""Files of named arrays that are memory-mapped: all processes of a machine share one copy of them, in the page cache.

Layout, all numbers little-endian: 8 bytes MAGIC; uint32 each: version of this layout, length of the header, CRC-32 of
the header, zero; the header, JSON in ASCII; then the arrays, each from the next multiple of 64 bytes on.
"""

import json
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"PYCLSMAP"
LAYOUT = 1
_PREFIX = struct.Struct("<8sIII4x")
_ALIGNMENT = 64


class MappedArray(np.ndarray):
    """A read-only array that lies in a file; it is pickled as (file, name), what is cut out of it as a plain array."""

    _origin: tuple[str, str, int] | None = None  # file, name of the array, CRC-32 of the header

    def __reduce__(self) -> Any:
        return super().__reduce__() if self._origin is None else (_map_again, self._origin)


@dataclass(frozen=True, eq=False)
class Mapped:
    """What is in a file of arrays."""

    meta: dict[str, Any]
    arrays: dict[str, MappedArray]


def write_arrays(
    file: Path, kind: str, version: int, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write `file` and wait until it is on the disk; `meta` is what JSON can hold."""
    table, position = {}, 0
    for name, array in arrays.items():
        table[name] = {"dtype": np.lib.format.dtype_to_descr(array.dtype), "shape": array.shape, "offset": position}
        position = _aligned(position + array.nbytes)
    contents = {"kind": kind, "version": version, "meta": meta, "arrays": table, "bytes": position}
    header = json.dumps(contents).encode("ascii")
    with file.open("wb") as output:
        output.write(_PREFIX.pack(MAGIC, LAYOUT, len(header), zlib.crc32(header)) + header)
        for array in arrays.values():
            output.write(bytes(_aligned(output.tell()) - output.tell()))
            output.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
        output.write(bytes(_aligned(output.tell()) - output.tell()))
        output.flush()
        os.fsync(output.fileno())


def map_arrays(file: Path, kind: str, version: int) -> Mapped:
    """Map the arrays of `file`; ValueError when it is damaged, cut short, or of another kind or version."""
    with file.open("rb") as stream:
        start = stream.read(_PREFIX.size).ljust(_PREFIX.size, b"\0")
        magic, layout, length, checksum = _PREFIX.unpack(start)
        header = stream.read(length) if magic == MAGIC else b""
    if magic != MAGIC:
        raise ValueError(f"{file} is not a {kind} (its first bytes are {start[:8]!r})")
    if len(header) < length or zlib.crc32(header) != checksum:
        raise ValueError(f"{file} is damaged: the checksum of its header is wrong")
    contents = json.loads(header)
    if (layout, contents["kind"], contents["version"]) != (LAYOUT, kind, version):
        raise ValueError(
            f"{file} is a {contents['kind']} of version {layout}.{contents['version']}; "
            f"this program reads {kind} {LAYOUT}.{version}"
        )
    return Mapped(contents["meta"], _map_all(file, _aligned(_PREFIX.size + length), contents, checksum))


def _map_all(file: Path, begin: int, contents: dict[str, Any], checksum: int) -> dict[str, MappedArray]:
    if file.stat().st_size != begin + contents["bytes"]:
        raise ValueError(f"{file} has {file.stat().st_size} bytes instead of {begin + contents['bytes']}: cut short?")
    raw = np.memmap(file, np.uint8, mode="r")
    arrays = {}
    for name, entry in contents["arrays"].items():
        dtype, shape = np.lib.format.descr_to_dtype(_as_descr(entry["dtype"])), entry["shape"]
        offset = begin + entry["offset"]
        arrays[name] = raw[offset : offset + dtype.itemsize * math.prod(shape)].view(dtype).reshape(shape)
        arrays[name] = arrays[name].view(MappedArray)
        arrays[name]._origin = (str(file), name, checksum)
    return arrays


def _map_again(file: str, name: str, checksum: int) -> MappedArray:
    """Map one array in another process; ValueError when the file has been replaced since."""
    with open(file, "rb") as stream:
        header = stream.read(_PREFIX.unpack(stream.read(_PREFIX.size))[2])
    contents = json.loads(header) if zlib.crc32(header) == checksum else None
    if contents is None:
        raise ValueError(f"{file} was replaced while this program was starting its workers; start it again")
    return _map_all(Path(file), _aligned(_PREFIX.size + len(header)), contents, checksum)[name]


def _as_descr(value: Any) -> Any:
    """Turn a dtype as JSON has it back into numpy's description: a list of tuples, or a string."""
    return value if isinstance(value, str) else [tuple(field) for field in value]


def _aligned(position: int) -> int:
    return -(-position // _ALIGNMENT) * _ALIGNMENT
