"""Named arrays that are memory-mapped: all processes of a machine share one copy of them, in the page cache.

A folder with one `.npy` file an array and `meta.json`, which says what they are; numpy alone reads it.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.atomic_io import atomic_folder

META = "meta.json"


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
        (new / META).write_text(json.dumps({"crc32": _checksum(contents), "contents": contents}, indent=1))


def map_arrays(folder: Path, kind: str, version: int) -> Mapped:
    """Map the arrays of `folder`; ValueError when it is damaged, of another kind or version, or being replaced."""
    contents = _read_contents(folder, kind)
    if (contents["kind"], contents["version"]) != (kind, version):
        raise ValueError(
            f"{folder} is a {contents['kind']} of version {contents['version']}; this program reads {kind} {version}: "
            "make it again"
        )
    return Mapped(contents["meta"], _map_all(folder, contents, contents["arrays"]))


def _read_contents(folder: Path, kind: str = "folder of arrays") -> dict[str, Any]:
    if folder.is_file():
        raise ValueError(
            f"{folder} is no {kind} that this program reads, which is a folder of .npy files (versions before were one "
            "file): make it again"
        )
    try:
        described = json.loads((folder / META).read_bytes())
        contents = described["contents"]
        if described["crc32"] != _checksum(contents):
            raise ValueError("its checksum is wrong")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / META} of a {kind} is damaged: {error}") from error
    return contents


def _map_all(folder: Path, contents: dict[str, Any], names: Iterable[str]) -> dict[str, MappedArray]:
    """Map arrays, all of them out of the folder that these contents were read from."""
    arrays = {name: _map(folder, name, contents) for name in names}
    if _read_contents(folder) != contents:
        raise ValueError(f"{folder} was replaced while this program was reading it; start it again")
    return arrays


def _map(folder: Path, name: str, contents: dict[str, Any]) -> MappedArray:
    file = folder / f"{name}.npy"
    try:
        array = np.lib.format.open_memmap(file, mode="r")  # np.load would try a zip file, too
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {str(error).splitlines()[0]}") from error
    expected = {key: value for key, value in contents["arrays"][name].items() if key != "crc32"}
    if _facts(array) != expected or file.stat().st_size != array.offset + array.nbytes:
        raise ValueError(f"{file} is damaged: it holds {_facts(array)} instead of {expected}, or more than that")
    mapped = array.view(MappedArray)
    mapped._origin = (str(folder), name, _checksum(contents))
    return mapped


def _map_again(folder: str, name: str, checksum: int) -> MappedArray:
    """Map one array in another process; ValueError when the folder has been replaced since."""
    contents = _read_contents(Path(folder))
    if _checksum(contents) != checksum:
        raise ValueError(f"{folder} was replaced while this program was starting its workers; start it again")
    return _map_all(Path(folder), contents, [name])[name]


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
    return json.loads(json.dumps({"dtype": np.lib.format.dtype_to_descr(array.dtype), "shape": array.shape}))


def _bytes(array: np.ndarray) -> memoryview | bytes:
    return array.data.cast("B") if array.size else b""
