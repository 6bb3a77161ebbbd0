"""The same few images in every layout that people have: folders of many names, lists, tars."""

import csv
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.photographs import encode

CLASSES = ("ant", "bee", "cat")
COUNTS = {"train": 6, "val": 2}  # images of each class


def images() -> dict[str, list[tuple[str, str, bytes]]]:
    """Return {split: [(class, file name, encoded image)]}: each class has a shade of its own."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[str, str, bytes]]] = {split: [] for split in COUNTS}
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            for number in range(count):
                pixels = rng.integers(90 * label, 90 * label + 30, (12, 14, 3)).astype(np.uint8)
                found[split].append((name, f"{split[0]}{label}{number}.png", encode(Image.fromarray(pixels), "PNG")))
    return found


def write_folders(root: Path, names: tuple[str, str] = ("train", "val")) -> Path:
    """Write class folders, the splits under any names."""
    for split, folder in zip(COUNTS, names, strict=True):
        for label, name, data in images()[split]:
            _write(root / folder / label / name, data)
    return root


def write_flat(folder: Path) -> list[tuple[str, str, str]]:
    """Write all images into one folder; return (file name, class, split) of each."""
    rows = [(name, label, split) for split, found in images().items() for label, name, _ in found]
    for found in images().values():
        for _, name, data in found:
            _write(folder / name, data)
    return rows


def write_list(file: Path, rows: list[tuple], header: tuple[str, ...] = ("path", "label", "split"), **dialect) -> Path:
    """Write a table; an empty header is none."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, **dialect)
        writer.writerows([header] if header else [])
        writer.writerows(rows)
    return file


def one_list(root: Path) -> Path:
    """Write photos.csv with a column of splits, beside the folder of images."""
    rows = write_flat(root / "images")
    return write_list(root / "photos.csv", [(f"images/{name}", label, split) for name, label, split in rows])


def two_lists(root: Path) -> Path:
    """Write train.csv and val.csv; labels are numbers."""
    rows = write_flat(root / "images")
    for split in COUNTS:
        numbered = [(f"images/{name}", CLASSES.index(label)) for name, label, part in rows if part == split]
        write_list(root / f"{split}.csv", numbered, ("path", "label"))
    return root


def write_tars(root: Path, shards: int = 2, named: bool = False) -> Path:
    """Write tars as webdataset's writer does: <key>.png, <key>.cls, <key>.json; labels are names or numbers."""
    root.mkdir(parents=True, exist_ok=True)
    for split, found in images().items():
        for shard in range(shards):
            with tarfile.open(root / f"{split}-{shard:06d}.tar", "w") as tar:
                for key, (label, _, data) in list(enumerate(found))[shard::shards]:
                    text = label if named else str(CLASSES.index(label))
                    _add(tar, f"{key:06d}.png", data)
                    _add(tar, f"{key:06d}.cls", text.encode())
                    _add(tar, f"{key:06d}.json", b'{"caption": "a photo"}')
    return root


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _class_file(root: Path) -> list[str]:
    (root / "names.txt").write_text("\n".join(CLASSES) + "\n")
    return ["DATA.CLASSES", str(root / "names.txt")]


def _tars_with_names(root: Path) -> Path:
    write_tars(root)
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


# Each writes the images below a folder; returns DATA_DIR, and the further keys are those of `KEYS`.
LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "folders": write_folders,
    "Train and VALID": lambda root: write_folders(root, ("Train", "VALID")),
    "one list": one_list,
    "two lists": two_lists,
    "tars with names": lambda root: write_tars(root, named=True),
    "tars with numbers": _tars_with_names,
}


def layout_words(layout: str, root: Path) -> list[str]:
    """Write a layout and return the KEY VALUE words that show it."""
    data = LAYOUTS[layout](root)
    words = ["DATA_DIR", str(data), "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "MODEL.NUM_CLASSES", "3"]
    return words + (_class_file(root) if layout == "two lists" else [])
