"""What makes two packings the same: the files that go in, and the options."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.bounds.regular_file import check_regular
from pycls.datasets.readers.folder_scan import NUM_THREADS
from pycls.datasets.readers.samples import FileSamples

_STAT_CHUNK = 4096  # a future for each of a million files would cost more than the files


@dataclass(frozen=True)
class PackOptions:
    """How images are packed."""

    max_side: int | None = None  # px; images with a longer side are resized to it; None: all bytes stay as they are
    quality: int = 90  # JPEG quality of what is re-encoded
    reencode_all: bool = False  # whether smaller images are re-encoded, too, where that saves bytes
    shard_mb: int = 512  # the most that a shard holds, in 10^6 bytes; a larger image has a shard for itself

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("--max-side", self.max_side, 1, 65535),
            ("--quality", self.quality, 1, 100),
            ("--shard-mb", self.shard_mb, 1, 10**6),
        ):
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} {value} is not between {low} and {high}")


def file_sizes(samples: FileSamples) -> np.ndarray:
    """Return the bytes of each file, int64 (N,); ValueError naming one that is no file, or too long for an image."""
    starts = range(0, len(samples), _STAT_CHUNK)

    def stat(start: int) -> list[int]:
        numbers = range(start, min(start + _STAT_CHUNK, len(samples)))
        return [_size(samples.name(number)) for number in numbers]

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        return np.array([size for sizes in pool.map(stat, starts) for size in sizes], np.int64)


def _size(name: str) -> int:
    status = os.stat(name)
    try:
        check_regular(status)
    except ValueError as error:
        raise ValueError(f"{name}: {error}; take it out of the data") from None
    return status.st_size


def make_recipe(samples: FileSamples, sizes: np.ndarray, options: PackOptions) -> dict[str, Any]:
    """Return what identifies a packed split: names and sizes of its files, classes, and options."""
    chosen = asdict(options) | ({} if options.max_side or options.reencode_all else {"quality": None})
    source = {"images": len(samples), "bytes": int(sizes.sum()), "sha256": _digest(samples, sizes)}
    return {"source": source, "options": chosen}


def _digest(samples: FileSamples, sizes: np.ndarray) -> str:
    digest = hashlib.sha256(json.dumps(samples.classes).encode())
    names = np.frombuffer(samples.paths.buffer, np.uint8)
    for array in (names, samples.paths.offsets, samples.labels, sizes):
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def check_recipe(file: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise ValueError saying in what `file` differs from what is to be packed now."""
    for key, value in wanted["options"].items():
        before = found["options"].get(key)
        if before != value:
            option = "--" + key.replace("_", "-")
            then, now = (f"{option} {v}" if v else f"no {option}" for v in (before, value))
            raise ValueError(f"{file} was packed with {then}, now it is {now}: use the same options or another folder")
    if found.get("source") != wanted["source"]:
        then, now = (_described(recipe["source"]) for recipe in (found, wanted))
        raise ValueError(
            f"{file} was packed from other data, {then}; now there are {now} "
            "(or names, sizes or classes differ): use another folder"
        )


def _described(source: dict[str, Any]) -> str:
    return f"{source['images']} images with {source['bytes']} bytes"
