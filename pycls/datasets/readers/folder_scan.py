"""List the images of a class-folder tree, sorted, with the time stamps that tell when the list is out of date."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pycls.datasets.readers.samples import Names, pack_names

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
NUM_THREADS = 16  # listing folders waits for the disk or the network, not for the processor


@dataclass(frozen=True, eq=False)
class Tree:
    """What a scan found below one folder, all paths relative to it."""

    classes: tuple[str, ...]  # sorted
    paths: Names  # sorted by class, then by path
    labels: np.ndarray  # int64 (N,)
    folders: Names  # every folder looked into
    mtimes: np.ndarray  # int64 ns, of each of `folders`, read before looking into it
    ctimes: np.ndarray  # int64 ns, in the same way: archives and copies bring back the other ones, not these


def list_classes(top: Path) -> tuple[str, ...]:
    """Return the sorted names of the class folders directly below `top`."""
    return tuple(sorted(entry.name for entry in os.scandir(top) if entry.is_dir() and entry.name[0] != "."))


def scan_tree(top: Path) -> Tree:
    """List a tree with one folder a class; images in sub-folders of a class count, hidden files do not."""
    top_times = folder_times(top)
    classes = list_classes(top)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        found = list(pool.map(lambda name: _scan_folder(top, name), classes))
    files = [sorted(images) for images, _ in found]
    folders = {"": top_times} | {path: times for _, seen in found for path, times in seen.items()}
    labels = np.repeat(np.arange(len(classes)), [len(images) for images in files])
    mtimes, ctimes = np.array(list(folders.values()), dtype=np.int64).T
    paths = pack_names([path for images in files for path in images])
    return Tree(classes, paths, labels, pack_names(list(folders)), mtimes.copy(), ctimes.copy())


def folder_times(folder: Path) -> tuple[int, int]:
    """Return when the entries of a folder, and when anything of it, changed last, in ns."""
    found = folder.stat()
    return found.st_mtime_ns, found.st_ctime_ns


def _scan_folder(top: Path, folder: str) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Return (image paths, {folder: its times}) of one folder and everything below it."""
    images, folders = [], {}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        folders[current] = folder_times(top / current)
        with os.scandir(top / current) as entries:
            for entry in entries:
                path = os.path.join(current, entry.name)
                if entry.name.startswith("."):
                    continue
                if entry.name.lower().endswith(EXTENSIONS):
                    images.append(path)
                elif entry.is_dir():
                    waiting.append(path)
    return images, folders
