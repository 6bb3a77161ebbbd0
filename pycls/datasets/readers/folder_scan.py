"""List the images of a class-folder tree, sorted, with the time stamps that tell when the list is out of date.

Links to folders are followed, as torchvision's ImageFolder does, except back to a folder that they lie in.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pycls.datasets.readers.endings import (
    BESIDE,
    BROKEN_LINK,
    HIDDEN,
    LINK_LOOP,
    NO_FILE,
    SYSTEM_FILES,
    ending_of,
    is_image,
)
from pycls.datasets.readers.samples import LeftOut, Names, pack_left_out, pack_names

NUM_THREADS = 16  # listing folders waits for the disk or the network, not for the processor
_IMAGE, _UNTOLD = "image", ""
Identities = frozenset[tuple[int, int]]  # device and number of folders


@dataclass(frozen=True, eq=False)
class Tree:
    """What a scan found below one folder, all paths relative to it."""

    classes: tuple[str, ...]  # sorted
    paths: Names  # sorted by class, then by path
    labels: np.ndarray  # int64 (N,)
    folders: Names  # every folder looked into
    mtimes: np.ndarray  # int64 ns, of each of `folders`, read before looking into it
    ctimes: np.ndarray  # int64 ns, in the same way: archives and copies bring back the other ones, not these
    left_out: LeftOut


class _Folder(NamedTuple):
    """A folder to look into."""

    path: str  # relative to the top
    above: Identities  # of the folders that it lies in


@dataclass
class _Found:
    """What is in a folder and everything below it."""

    images: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)  # path, reason
    times: dict[str, tuple[int, int]] = field(default_factory=dict)  # of each folder


def list_classes(top: Path) -> tuple[str, ...]:
    """Return the sorted names of the class folders directly below `top`."""
    return tuple(sorted(entry.name for entry in os.scandir(top) if _is_folder(entry) and entry.name[0] != "."))


def scan_tree(top: Path) -> Tree:
    """List a tree with one folder a class; images in sub-folders of a class count, hidden files do not."""
    beside = _Found()
    class_folders = sorted(_look_into(top, _Folder("", _above(top)), beside))
    classes = tuple(folder.path for folder in class_folders)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        found = list(pool.map(lambda folder: _scan(top, folder), class_folders))
    files = [sorted(one.images) for one in found]
    times = beside.times | {path: time for one in found for path, time in one.times.items()}
    labels = np.repeat(np.arange(len(classes)), [len(images) for images in files])
    mtimes, ctimes = np.array(list(times.values()), dtype=np.int64).T
    paths = pack_names([path for images in files for path in images])
    loose = [(path, BESIDE) for path in beside.images]
    left_out = pack_left_out([*loose, *beside.left_out, *(pair for one in found for pair in one.left_out)])
    return Tree(classes, paths, labels, pack_names(list(times)), mtimes.copy(), ctimes.copy(), left_out)


def scan_folder(top: Path) -> tuple[list[str], LeftOut]:
    """Return the images anywhere below a folder, sorted paths relative to it, and what is left out."""
    found = _scan(top, _Folder("", _above(top)))
    return sorted(found.images), pack_left_out(found.left_out)


def folder_times(folder: Path) -> tuple[int, int]:
    """Return when the entries of a folder, and when anything of it, changed last, in ns."""
    found = folder.stat()
    return found.st_mtime_ns, found.st_ctime_ns


def _above(top: Path) -> Identities:
    return frozenset((status.st_dev, status.st_ino) for status in map(os.stat, top.resolve().parents))


def _scan(top: Path, folder: _Folder) -> _Found:
    """List one folder and everything below it."""
    found = _Found()
    waiting = [folder]
    while waiting:
        waiting += _look_into(top, waiting.pop(), found)
    return found


def _look_into(top: Path, folder: _Folder, found: _Found) -> list[_Folder]:
    """Add what lies in one folder to `found`; return the folders in it."""
    status = os.stat(top / folder.path)
    if (status.st_dev, status.st_ino) in folder.above:
        found.left_out.append((folder.path, LINK_LOOP))
        return []
    found.times[folder.path] = status.st_mtime_ns, status.st_ctime_ns
    above = folder.above | {(status.st_dev, status.st_ino)}
    folders = []
    with os.scandir(top / folder.path) as entries:
        for entry in entries:
            path = os.path.join(folder.path, entry.name)
            if _is_folder(entry):
                if entry.name[0] != ".":
                    folders.append(_Folder(path, above))
            elif (verdict := _verdict(entry)) == _IMAGE:
                found.images.append(path)
            elif verdict:
                found.left_out.append((path, verdict))
    return folders


def _verdict(entry: os.DirEntry) -> str:
    """Return _IMAGE, or why what is no folder is no image; _UNTOLD for what nobody would miss."""
    name = entry.name
    if name[0] == ".":  # macOS puts a "._a.jpg" beside each a.jpg
        return HIDDEN if is_image(name) and not name.startswith("._") else _UNTOLD
    if not _is_file(entry):
        return BROKEN_LINK if entry.is_symlink() and not os.path.exists(entry.path) else NO_FILE
    if is_image(name):
        return _IMAGE
    return _UNTOLD if name.lower() in SYSTEM_FILES else ending_of(name)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
