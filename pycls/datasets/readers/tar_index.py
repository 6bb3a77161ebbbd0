"""The index of a packed split: where in the tar shards each image lies, and what it is (layout: docs/PACKED.md)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.registry import shown
from pycls.datasets.readers.array_files import (
    META,
    Mapped,
    check_columns,
    check_labels,
    check_names,
    check_offsets,
    map_arrays,
    write_arrays,
)
from pycls.datasets.readers.samples import Names

KIND, VERSION = "pycls packed index", 2
IMAGE = np.dtype(
    [
        ("offset", "<u8"),  # of the first byte of the encoded image in its shard
        ("name_offset", "<u8"),  # of its original path in `names`
        ("size", "<u4"),  # bytes
        ("width", "<u4"),  # px, as stored (EXIF orientation ignored); 0: unreadable
        ("height", "<u4"),
        ("crc32", "<u4"),  # of the encoded image, as zlib computes it
        ("shard", "<u4"),
        ("name_size", "<u2"),  # bytes
        ("flags", "<u2"),
    ]
)
_COLUMNS = {"images": IMAGE, "labels": np.dtype("<i8"), "names": np.dtype("u1")}
# Flags: other pixels than the original file's; could not be read, bytes kept as they are; re-encoded without the alpha,
# the pages or the bits beyond eight that the original had.
REENCODED, DAMAGED, REDUCED = 1, 2, 4


@dataclass(frozen=True, eq=False)
class Index:
    """A mapped index; samples are in the order of the folder that was packed: by class, then by path."""

    file: Path  # the folder <split>.index
    classes: tuple[str, ...]
    shards: tuple[tuple[str, int], ...]  # name and bytes of each
    recipe: dict[str, Any]  # what was packed, and how
    images: np.ndarray  # IMAGE (N,)
    labels: np.ndarray  # int64 (N,)
    names: np.ndarray  # uint8: the original paths, one after the other

    def path(self, number: int) -> str:
        """Return the original path of an image, relative to the folder that was packed."""
        image = self.images[number]
        start = int(image["name_offset"])
        return os.fsdecode(self.names[start : start + int(image["name_size"])].tobytes())

    def changes(self) -> str:
        """Say how many images have other pixels than the original files; "" if none."""
        num_changed, options = np.count_nonzero(self.images["flags"] & REENCODED), self.recipe["options"]
        side = f"at most {options['max_side']} px long, " if options["max_side"] else ""
        quality = f"JPEG quality {options['quality']}"
        num_reduced = np.count_nonzero(self.images["flags"] & REDUCED)
        reduced = f"; of {num_reduced} alpha, further pages or more than 8 bits are gone" if num_reduced else ""
        return f"{num_changed} of {len(self.images)} images re-encoded: {side}{quality}{reduced}" if num_changed else ""


def index_file(root: Path, split: str) -> Path:
    """Return where the index of a packed split is."""
    return root / f"{split}.index"


def load_index(file: Path, trusted: bool = False) -> Index:
    """Map an index; ValueError when it is damaged, of another version, or says what cannot be.

    A `trusted` one was loaded before, by this process or the one that started it.
    """
    mapped = map_arrays(file, KIND, VERSION, trusted)
    if not trusted:
        try:
            _check(mapped)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"its {META} has no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"{file} is no index that can be right: {what}; pack again, or use a copy") from error
    meta, arrays = mapped.meta, mapped.arrays
    shards = tuple((name, size) for name, size in meta["shards"])
    columns = (arrays[name] for name in _COLUMNS)
    return Index(file, tuple(meta["classes"]), shards, meta["recipe"], *columns)


def _check(mapped: Mapped) -> None:
    """Raise ValueError for an index, whole by its checksums, of which no packing is the author."""
    check_columns(mapped, _COLUMNS)
    images, labels, names = (mapped.arrays[name] for name in _COLUMNS)
    if len(images) != len(labels):
        raise ValueError(f"it has {len(images)} images and {len(labels)} labels")
    meta = mapped.meta
    check_names("classes", meta["classes"])
    check_labels(labels, len(meta["classes"]))
    _check_recipe(meta["recipe"])
    ends = np.append(images["name_offset"], np.uint64(len(names))).astype(np.int64)
    check_offsets("names", ends, len(names))
    if (np.diff(ends) != images["name_size"]).any():
        raise ValueError("its names do not follow one another")
    _check_places(images, meta["shards"])


def _check_places(images: np.ndarray, shards: Any) -> None:
    """Raise ValueError for an image that does not lie in one of the shards."""
    if not isinstance(shards, list) or not all(map(_is_shard, shards)):
        raise ValueError("its shards are no list of names and sizes")
    if not len(images):
        return
    if images["shard"].max() >= len(shards):
        raise ValueError(f"an image lies in shard {images['shard'].max()} of {len(shards)}")
    sizes = np.array([size for _, size in shards], np.uint64)[images["shard"]]
    outside = np.flatnonzero((images["offset"] > sizes) | (images["size"] > sizes - images["offset"]))
    if len(outside):
        name = shards[images["shard"][outside[0]]][0]
        raise ValueError(f"image {outside[0]} lies beyond the end of {shown(name)}")


def _is_shard(shard: Any) -> bool:
    if not isinstance(shard, list) or list(map(type, shard)) != [str, int]:
        return False
    return 0 <= shard[1] < 1 << 63 and bool(shard[0]) and "\0" not in shard[0]


def _check_recipe(recipe: Any) -> None:
    """Raise ValueError for facts of another kind than those that are read."""
    options, source = recipe["options"], recipe.get("source", {"images": 0, "bytes": 0})
    if not (isinstance(options, dict) and isinstance(source, dict)):
        raise ValueError("its recipe is none")
    numbers = [options["quality"], options["max_side"], source["images"], source["bytes"]]
    left_out = recipe.get("left_out", [])
    pairs = all(isinstance(pair, list) and list(map(type, pair)) == [str, str] for pair in left_out)
    if not pairs or not all(number is None or type(number) is int for number in numbers):
        raise ValueError("its recipe is none")


def write_index(
    file: Path,
    images: np.ndarray,
    labels: np.ndarray,
    paths: Names,
    classes: Sequence[str],
    shards: Sequence[tuple[str, int]],
    recipe: dict[str, Any],
    unfinished: Path | None = None,
) -> None:
    """Write an index, as `unfinished` until it is on the disk; the name columns of `images` are filled from `paths`."""
    images["name_offset"], images["name_size"] = paths.offsets[:-1], np.diff(paths.offsets)
    meta = {"classes": list(classes), "shards": [list(shard) for shard in shards], "recipe": recipe}
    arrays = {"images": images, "labels": labels, "names": np.frombuffer(paths.buffer, np.uint8)}
    write_arrays(file, KIND, VERSION, meta, arrays, unfinished)
