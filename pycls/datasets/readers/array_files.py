"""Named arrays that are memory-mapped: all processes of a machine share one copy of them, in the page cache.

A folder with one `.npy` file an array and `meta.json`, which says what they are; numpy alone reads it.
"""

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.atomic_io import atomic_folder
from pycls.core.bounds.names import is_name
from pycls.core.bounds.regular_file import check_regular, read_regular
from pycls.core.registry import first_line, shown

META = "meta.json"
_HEADER_START = 10  # bytes of a .npy file of numpy's format 1.0, the last two the length of what follows


class MappedArray(np.ndarray):
    """A read-only array that lies in a file; it is pickled as the name of that, what is cut out of it as a plain array.

    numpy would pickle the bytes of either.
    """

    _origin: tuple[str, str, int] | None = None  # folder, name of the array, checksum of what meta.json says

    def __reduce__(self) -> Any:
        return super().__reduce__() if self._origin is None else (_map_again, self._origin)


@dataclass(frozen=True, eq=False)
class Mapped:
    """What is in a folder of arrays."""

    meta: dict[str, Any]
    arrays: dict[str, MappedArray]


def write_arrays(
    folder: Path,
    kind: str,
    version: int,
    meta: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    unfinished: Path | None = None,
) -> None:
    """Write a folder, which is `unfinished` until all of it is on the disk; `meta` is what JSON can hold.

    One that holds the same already is left alone: other processes may be about to map it.
    """
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    facts = {name: _facts(array) | {"crc32": zlib.crc32(_bytes(array))} for name, array in plain.items()}
    contents = {"kind": kind, "version": version, "meta": meta, "arrays": facts}
    if _holds(folder, contents):
        return
    with atomic_folder(folder, unfinished) as new:
        for name, array in plain.items():
            np.save(new / f"{name}.npy", array, allow_pickle=False)
        (new / META).write_bytes(_described(contents))


def map_arrays(folder: Path, kind: str, version: int, trusted: bool = False) -> Mapped:
    """Map the arrays of `folder`; ValueError when it is damaged, of another kind or version, or being replaced.

    Every byte is compared with what was written, unless they are `trusted`: another process has just done so.
    """
    contents = _read_contents(folder, kind)
    if (contents["kind"], contents["version"]) != (kind, version):
        raise ValueError(
            f"{folder} is a {shown(contents['kind'])} of version {shown(contents['version'])}; this program reads "
            f"{kind} {version}: make it again"
        )
    return Mapped(contents["meta"], _map_all(folder, contents, contents["arrays"], trusted))


def check_columns(mapped: Mapped, dtypes: Mapping[str, np.dtype]) -> None:
    """Raise ValueError unless there are flat arrays of these names and dtypes, and no others."""
    for name in sorted({*dtypes, *mapped.arrays}):
        array, dtype = mapped.arrays.get(name), dtypes.get(name)
        if array is None or dtype is None:
            raise ValueError(f"it has {'no' if array is None else 'an'} array {shown(name)}")
        if array.dtype != dtype or array.ndim != 1:
            raise ValueError(f"its array {name} is another one, of {shown(str(array.dtype))} and {array.ndim} axes")


def check_offsets(name: str, offsets: np.ndarray, num_bytes: int) -> None:
    """Raise ValueError unless offsets, int64 (N + 1,), cut `num_bytes` bytes into N pieces."""
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != num_bytes or (np.diff(offsets) < 0).any():
        raise ValueError(f"the offsets of its {name} do not go from 0 to {num_bytes} without a step back")


def check_labels(labels: np.ndarray, num_classes: int) -> None:
    """Raise ValueError for a label, of int64 (N,), that is no number of a class."""
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"its labels go from {labels.min()} to {labels.max()}, but it has {num_classes} classes")


def check_names(what: str, names: Any) -> None:
    """Raise ValueError for what came out of JSON and is no list of different names."""
    if not isinstance(names, list) or not all(map(is_name, names)):
        raise ValueError(f"its {what} are no list of names")
    if len(set(names)) < len(names):
        raise ValueError(f"its {what} have a name twice")


def _read_contents(folder: Path, kind: str = "folder of arrays") -> dict[str, Any]:
    if folder.is_file():
        raise ValueError(
            f"{folder} is no {kind} that this program reads, which is a folder of .npy files (versions before were one "
            "file): make it again"
        )
    try:
        text = read_regular(folder / META)
        described = json.loads(text)
        contents = described["contents"]
        if described["crc32"] != _checksum(contents) or _described(contents) != text:
            raise ValueError("its checksum is wrong")
        if not (isinstance(contents["meta"], dict) and isinstance(contents["arrays"], dict)):
            raise ValueError("it describes no arrays")
        for name in contents["arrays"]:
            if Path(name).name != name or name in ("", "..") or not isinstance(contents["arrays"][name], dict):
                raise ValueError(f"it describes no array {shown(name)}")
        contents["kind"], contents["version"]  # else a KeyError
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder / META} of a {kind} is damaged: {_reason(error)}") from error
    return contents


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else shown(first_line(error))


def _described(contents: Mapping[str, Any]) -> bytes:
    """Return what is written in META."""
    return json.dumps({"crc32": _checksum(contents), "contents": contents}, indent=1).encode()


def _map_all(folder: Path, contents: dict[str, Any], names: Iterable[str], trusted: bool) -> dict[str, MappedArray]:
    """Map arrays, all of them out of the folder that these contents were read from."""
    arrays = {name: _map(folder, name, contents) for name in names}
    if _read_contents(folder) != contents:
        raise ValueError(f"{folder} was replaced while this program was reading it; start it again")
    for name, array in () if trusted else arrays.items():
        if zlib.crc32(_bytes(array)) != contents["arrays"][name].get("crc32"):
            raise ValueError(f"{folder / name}.npy is damaged: its checksum is wrong; make it again")
    return arrays


def _map(folder: Path, name: str, contents: dict[str, Any]) -> MappedArray:
    file = folder / f"{name}.npy"
    try:
        array = _map_file(file, contents["arrays"][name])
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {_reason(error)}; make it again") from error
    mapped = array.view(MappedArray)
    mapped._origin = (str(folder), name, _checksum(contents))
    return mapped


def _map_file(file: Path, facts: Mapping[str, Any]) -> np.ndarray:
    """Map a file whose beginning says, as numpy writes it and not otherwise, that it is an array with these facts."""
    check_regular(file.stat(), most_bytes=None)  # it is mapped, not read
    dtype, shape = _dtype_of(facts.get("dtype")), facts.get("shape")
    if dtype.hasobject or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"it cannot be {shown(facts)}")
    with file.open("rb") as stream:
        start = _HEADER_START + int.from_bytes(stream.read(_HEADER_START)[-2:], "little")
        stream.seek(0)
        header = stream.read(start)
    if header != _header(dtype, tuple(shape), start):
        raise ValueError(f"it does not hold {shown(facts)}")
    num_bytes = math.prod(shape) * dtype.itemsize
    if file.stat().st_size != start + num_bytes:
        raise ValueError(f"it has {file.stat().st_size - start} bytes of numbers instead of {num_bytes}")
    if num_bytes == 0:
        return np.empty(shape, dtype)  # nothing can be mapped
    return np.memmap(file, dtype, "r", start, tuple(shape))


def _dtype_of(description: Any) -> np.dtype:
    """Return the dtype that JSON describes, in numpy's words, of which it has made lists."""
    try:
        fields = [tuple(field) for field in description] if isinstance(description, list) else description
        return np.lib.format.descr_to_dtype(fields)
    except Exception as error:  # of many types
        raise ValueError(f"there is no dtype {shown(description)}") from error


def _header(dtype: np.dtype, shape: tuple[int, ...], size: int) -> bytes:
    """Return the first `size` bytes of a file of numpy's format 1.0."""
    facts = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    text = "".join(f"{key!r}: {value!r}, " for key, value in facts.items())
    return (
        np.lib.format.magic(1, 0)
        + (max(0, size - _HEADER_START)).to_bytes(2, "little")
        + (f"{{{text}}}".encode().ljust(size - _HEADER_START - 1) + b"\n")
    )


def _map_again(folder: str, name: str, checksum: int) -> MappedArray:
    """Map one array in another process; ValueError when the folder has been replaced since."""
    contents = _read_contents(Path(folder))
    if _checksum(contents) != checksum:
        raise ValueError(f"{folder} was replaced while this program was starting its workers; start it again")
    return _map_all(Path(folder), contents, [name], trusted=True)[name]


def _holds(folder: Path, contents: dict[str, Any]) -> bool:
    """Tell whether a folder has these contents, its arrays included."""
    try:
        return _read_contents(folder) == json.loads(json.dumps(contents)) and bool(
            map_arrays(folder, contents["kind"], contents["version"])
        )
    except (OSError, ValueError):
        return False


def _checksum(contents: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(contents).encode())


def _facts(array: np.ndarray) -> dict[str, Any]:
    """Return dtype and shape as they come back from JSON."""
    return {"dtype": _dtype_facts(array.dtype), "shape": list(array.shape)}


def _dtype_facts(dtype: np.dtype) -> Any:
    return json.loads(json.dumps(np.lib.format.dtype_to_descr(dtype)))


def _bytes(array: np.ndarray) -> memoryview | bytes:
    return array.data.cast("B") if array.size else b""
