"""Class-folder trees, <root>/<split>/<class>/**/<image>: find a split, check it, list its images."""

from pathlib import Path

import numpy as np

from pycls.core.registry import did_you_mean
from pycls.datasets.readers.folder_cache import load_tree
from pycls.datasets.readers.folder_scan import EXTENSIONS, Tree
from pycls.datasets.readers.samples import FileSamples

NUM_NAMED = 5  # names listed in an error before "and N more"


def load_folder(root: Path, split: str, empty_classes: bool = False) -> FileSamples:
    """List the images of root/split; labels number the classes in sorted order.

    Raise ValueError for a missing split, images without class folders, no images at all, and, unless `empty_classes`
    allows it, a class without images.
    """
    folder = _split_folder(root, split)
    tree = load_tree(folder)
    _check_tree(folder, tree, empty_classes)
    return FileSamples(str(folder), tree.paths, tree.labels, tree.classes)


def _split_folder(root: Path, split: str) -> Path:
    folder = root / split
    if not folder.is_dir():
        known = [entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
        found = f" (folders there: {_listed(sorted(known))})" if known else ""
        raise ValueError(f"{folder} does not exist: no split '{split}' in {root}{did_you_mean(split, known)}{found}")
    return folder


def _check_tree(folder: Path, tree: Tree, empty_classes: bool) -> None:
    """Raise ValueError for a tree without classes, without images or with an empty class that is not allowed."""
    loose = sum(entry.name.lower().endswith(EXTENSIONS) for entry in folder.iterdir())
    if loose and not tree.classes:
        raise ValueError(
            f"{folder} holds {loose} images but no class folders: move each image into a folder of its class"
        )
    if len(tree.paths) == 0:
        raise ValueError(f"{folder} holds no images: expected <class>/<image> with one of {', '.join(EXTENSIONS)}")
    counts = np.bincount(tree.labels, minlength=len(tree.classes))
    empty = [name for name, count in zip(tree.classes, counts, strict=True) if count == 0]
    if empty and not empty_classes:
        raise ValueError(f"{folder} has {_plural(empty)} without images: {_listed(empty)}")


def _plural(names: list[str]) -> str:
    return f"{len(names)} class" if len(names) == 1 else f"{len(names)} classes"


def _listed(names: list[str]) -> str:
    more = len(names) - NUM_NAMED
    return ", ".join(names[:NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
