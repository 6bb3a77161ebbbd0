"""The index of a packed split: where in the tar shards each image lies, and what it is (layout: docs/PACKED.md)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pycls.datasets.readers.array_files import map_arrays, write_arrays
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


def load_index(file: Path) -> Index:
    """Map an index; ValueError when it is damaged or of another version."""
    mapped = map_arrays(file, KIND, VERSION)
    meta, arrays = mapped.meta, mapped.arrays
    shards = tuple((name, size) for name, size in meta["shards"])
    columns = (arrays[name] for name in ("images", "labels", "names"))
    return Index(file, tuple(meta["classes"]), shards, meta["recipe"], *columns)


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
