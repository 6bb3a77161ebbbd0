"""Tars in webdataset's format that others wrote: read by random access after one pass that indexes them.

The members of a sample follow one another and share their name up to the first dot: `000042.jpg`, `000042.cls`. The
index is that of packed data (docs/PACKED.md); it lies beside the tars, or in the user's cache if nothing can be written
there.
"""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pycls.core.locks import locked
from pycls.core.logging import get_logger
from pycls.core.machine import cache_dir, path_digest
from pycls.datasets.readers.endings import describe_left_out
from pycls.datasets.readers.folder_scan import NUM_THREADS
from pycls.datasets.readers.samples import EncodedSamples, pack_names
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.readers.tar_index import IMAGE, load_index, write_index
from pycls.datasets.sources.class_file import check_counts_from_zero, load_classes
from pycls.datasets.sources.class_order import in_order, is_number, relabel
from pycls.datasets.sources.tar_members import Found, Lost, scan_tar

FOLDER = ".pycls-tars"
CLASS_FILE = "classes.txt"  # beside the tars, names the classes whose numbers are in them

logger = get_logger(__name__)


def load_tars(folder: Path, split: str, shards: Sequence[Path]) -> EncodedSamples:
    """Return the images of tars, indexed if they are new or have changed; ValueError names a tar that is none."""
    facts = [[shard.name, *_size_and_time(shard)] for shard in shards]
    places = index_places(folder, split)
    if not any(_is_current(place, facts) for place in places):
        _write_index(places, shards, facts)
    samples = load_packed(next(place for place in places if _is_current(place, facts)))
    return _named(samples, next((file for file in _class_files(folder) if file.is_file()), None))


def _class_files(folder: Path) -> tuple[Path, Path]:
    """Return where the names may be: beside the tars, or beside the folder of a split."""
    return folder / CLASS_FILE, folder.parent / CLASS_FILE


def index_places(folder: Path, split: str) -> list[Path]:
    """Return where the index of tars in a folder may be: beside them, or in the user's cache."""
    return [
        folder / FOLDER / f"{split}.index",
        cache_dir() / "index" / f"tars-{path_digest(folder)}" / f"{split}.index",
    ]


def _named(samples: PackedSamples, file: Path | None) -> EncodedSamples:
    """Return the samples with the names of a class file, if there is one and the labels are numbers."""
    if file is None or not all(map(is_number, samples.classes)):
        return samples
    names = load_classes(str(file), "class file")
    check_counts_from_zero(str(file), "class file")
    if int(samples.classes[-1]) >= len(names):
        raise ValueError(f"{file} names {len(names)} classes, but the tars have label {samples.classes[-1]}")
    return relabel(samples, np.arange(len(samples.classes)), [names[int(label)] for label in samples.classes])


def _size_and_time(shard: Path) -> tuple[int, int]:
    found = shard.stat()
    return found.st_size, found.st_mtime_ns


def _is_current(index: Path, facts: list[list[Any]]) -> bool:
    """Tell whether an index is there, whole, and of these tars as they are now."""
    try:
        recipe = load_index(index).recipe
        return recipe.get("shards") == facts and "left_out" in recipe
    except (OSError, ValueError):
        return False


def _write_index(places: Sequence[Path], shards: Sequence[Path], facts: list[list[Any]]) -> None:
    """Index tars in the first place that can be written; another process that does so already is waited for."""
    place = next((place for place in places if _can_write(place.parent)), None)
    if place is None:
        raise ValueError(
            f"no place for the index of {shards[0]}: make {places[-1].parent} writable, or set PYCLS_CACHE_DIR"
        )
    with locked(place.parent / f".{place.stem}.lock"):
        if _is_current(place, facts):
            return
        size_gb = sum(size for _, size, _ in facts) / 1e9
        logger.info("%s: indexing %d tars (%.1f GB), once; index: %s", shards[0].parent, len(shards), size_gb, place)
        with ThreadPoolExecutor(min(NUM_THREADS, len(shards))) as pool:
            found = [sample for samples in pool.map(scan_tar, range(len(shards)), shards) for sample in samples]
        images = [sample for sample in found if isinstance(sample, Found)]
        lost = [sample for sample in found if isinstance(sample, Lost)]
        if not images:
            told = f"; {describe_left_out(Counter(sample.reason for sample in lost))}" if lost else ""
            raise ValueError(f"{shards[0]}: holds no images with a label, <name>.jpg and <name>.cls{told}")
        _write(place, images, lost, shards, facts)


def _can_write(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _write(place: Path, found: list[Found], lost: list[Lost], shards: Sequence[Path], facts: list[list[Any]]) -> None:
    images = np.zeros(len(found), IMAGE)
    for column in ("offset", "size", "crc32", "shard"):
        images[column] = [getattr(sample, column) for sample in found]
    texts = sorted({sample.label for sample in found})
    classes, numbers = in_order(texts)
    ranks = dict(zip(texts, numbers.tolist(), strict=True))
    labels = np.array([ranks[sample.label] for sample in found], np.int64)
    beside = place.parent.name == FOLDER  # then the folder may be moved
    names = [os.path.join("..", shard.name) if beside else str(shard.absolute()) for shard in shards]
    listed = [(name, size) for name, (_, size, _) in zip(names, facts, strict=True)]
    paths = pack_names([sample.name for sample in found])
    write_index(place, images, labels, paths, classes, listed, _recipe(facts, lost))


def _recipe(facts: list[list[Any]], lost: list[Lost]) -> dict[str, Any]:
    """Return what tells whether the tars have changed, and what of them is no image; nothing was re-encoded."""
    options = {"max_side": None, "quality": None, "reencode_all": False}
    return {"shards": facts, "left_out": [list(sample) for sample in lost], "options": options}
