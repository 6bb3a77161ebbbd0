"""Keep the list of a large class-folder tree on the disk, until a time stamp of one of its folders changes.

It is memory-mapped: the processes of a machine, workers included, share one copy of the list.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pycls.core.logging import get_logger
from pycls.core.machine import cache_dir, path_digest
from pycls.datasets.readers.array_files import (
    Mapped,
    check_columns,
    check_labels,
    check_names,
    check_offsets,
    map_arrays,
    write_arrays,
)
from pycls.datasets.readers.endings import BESIDE, BROKEN_LINK, FORMATS, NO_FILE, describe_left_out
from pycls.datasets.readers.folder_scan import NUM_THREADS, Tree, folder_times, scan_tree
from pycls.datasets.readers.samples import LeftOut, Names

KIND, VERSION = "pycls list of images", 4
_LISTS = "paths", "folders", "left_out", "reasons"
_NUMBERS = "labels", "mtimes", "ctimes", *(f"{name}_offsets" for name in _LISTS)
_COLUMNS = {name: np.dtype("u1") for name in _LISTS} | {name: np.dtype("<i8") for name in _NUMBERS}
SETTLED_SEC = 2.0  # a folder changed so recently may change again under the same time stamp: not worth trusting

logger = get_logger(__name__)


def load_tree(top: Path) -> Tree:
    """Return the tree below `top`, from a cache that still describes it, else by scanning it; tell what is left out."""
    tree = _cached_or_scanned(top)
    counts = {reason: count for reason, count in tree.left_out.counts.items() if reason != BESIDE}  # an error, later
    if counts:
        logger.warning("%s: left out %s", top, describe_left_out(counts))
    return tree


def _cached_or_scanned(top: Path) -> Tree:
    for cache in cache_folders(top):
        tree = _load_cache(cache)
        if tree is not None and _unchanged(top, tree):
            return tree
    started_ns = time.time_ns()
    tree = scan_tree(top)
    logger.info("%s: found %d images in %d classes", top, len(tree.paths), len(tree.classes))
    if started_ns - tree.mtimes.max() > SETTLED_SEC * 1e9 and not _may_change_unseen(tree):
        saved = _save_cache(tree, cache_folders(top))
        return tree if saved is None else _load_cache(saved) or tree
    return tree


def cache_folders(top: Path) -> tuple[Path, Path]:
    """Return where the list of `top` may be kept: beside it, or in the user's cache if nothing can be written there."""
    return top.parent / f".pycls-index-{top.name}", cache_dir() / "index" / f"{top.name}-{path_digest(top)}"


def _may_change_unseen(tree: Tree) -> bool:
    """Tell whether a link leads nowhere: that it does one day changes no time stamp of the tree."""
    return not {BROKEN_LINK, NO_FILE}.isdisjoint(tree.left_out.counts)


def _unchanged(top: Path, tree: Tree) -> bool:
    """Tell whether every folder has its old time stamps: adding, removing or renaming an entry would change them."""
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        times = list(pool.map(lambda i: _times(top / tree.folders[i]), range(len(tree.folders))))
    return times == list(zip(tree.mtimes.tolist(), tree.ctimes.tolist(), strict=True))


def _times(folder: Path) -> tuple[int, int] | None:
    try:
        return folder_times(folder)
    except OSError:
        return None


def _load_cache(folder: Path) -> Tree | None:
    """Map a cached tree; what is missing, damaged, of another version or no such tree is no cache."""
    try:
        mapped = map_arrays(folder, KIND, VERSION)
        if mapped.meta["endings"] != sorted(FORMATS):  # of a program that knew others
            return None
        check_columns(mapped, _COLUMNS)
        return _tree(mapped)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tree(mapped: Mapped) -> Tree:
    """Return what a cache holds; ValueError, KeyError or TypeError for what a scan would not find."""
    arrays, meta = mapped.arrays, mapped.meta
    for name in _LISTS:
        check_offsets(name, arrays[f"{name}_offsets"], len(arrays[name]))
    paths, folders, *left_out = (Names(arrays[name], arrays[f"{name}_offsets"]) for name in _LISTS)
    check_names("classes", meta["classes"])
    check_labels(arrays["labels"], len(meta["classes"]))
    times = arrays["mtimes"], arrays["ctimes"]
    if len(paths) != len(arrays["labels"]) or {len(folders)} != {*map(len, times)} or not len(folders):
        raise ValueError("its lists are not of one length")
    _check_order(paths, arrays["labels"], meta["classes"])
    counts = meta["left_out"]
    if not isinstance(counts, dict) or not len(left_out[0]) == len(left_out[1]) == sum(counts.values()):
        raise ValueError("it does not say why files are left out")
    left_out_files = LeftOut(left_out[0], left_out[1], counts)
    return Tree(tuple(meta["classes"]), paths, arrays["labels"], folders, *times, left_out_files)


def _check_order(paths: Names, labels: np.ndarray, classes: Sequence[str]) -> None:
    """Raise ValueError unless images are sorted by class, and the first and last of each lie in its folder."""
    if (np.diff(labels) < 0).any():
        raise ValueError("its labels are not sorted")
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    for image in (*starts, *(np.append(starts, len(labels))[1:] - 1)):
        if not paths[image].startswith(os.path.join(classes[labels[image]], "")):
            raise ValueError("its labels are not those of the folders")


def _save_cache(tree: Tree, places: tuple[Path, ...]) -> Path | None:
    """Write the tree to the first place that can be written and return that; no cache is no error."""
    meta = {"classes": tree.classes, "endings": sorted(FORMATS), "left_out": tree.left_out.counts}
    arrays = {"labels": tree.labels, "mtimes": tree.mtimes, "ctimes": tree.ctimes}
    lists = tree.paths, tree.folders, tree.left_out.paths, tree.left_out.reasons
    for name, names in zip(_LISTS, lists, strict=True):
        arrays |= {name: np.frombuffer(names.buffer, np.uint8), f"{name}_offsets": names.offsets}
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_arrays(place, KIND, VERSION, meta, arrays)
        except OSError:
            continue
        return place
    return None
