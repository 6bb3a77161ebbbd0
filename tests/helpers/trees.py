"""A data set with both splits as class-folder trees, of every kind of file and of awkward names."""

from pathlib import Path

from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.readers.image_folder import load_folder
from tests.helpers.photographs import kinds

SPLITS = ("train", "val")
# Dots, blanks, two of one stem, sub-folders, a name that is no Unicode, a long one.
AWKWARD = (
    "a.b.c.jpg",
    "two words.jpg",
    "same.jpg",
    "same.jpeg",
    "same.png",
    "deep/er/x.JPEG",
    "ö.jpg",
    "not\udcff.jpg",
)
AWKWARD += ("long" * 40 + ".jpg",)


def write_data(root: Path) -> Path:
    """Write both splits; classes are "cats", "dogs.v1" and "öl und essig"."""
    files = kinds()
    small = files["jpeg_tiny_40x30.JPEG"], files["jpeg_line_3x200.JPEG"]
    for split in SPLITS:
        for number, (name, data) in enumerate(files.items()):
            _write(root / split / ("cats", "dogs.v1")[number % 2] / name, data)
        for name in AWKWARD:
            _write(root / split / "öl und essig" / name, small[len(name) % 2])
    return root


def pack(root: Path, target: Path, split: str = "train", **options: int) -> Path:
    """Pack one split into small shards and return its index."""
    return pack_split(load_folder(root, split), target, split, PackOptions(**{"shard_mb": 1, **options}), 2)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
