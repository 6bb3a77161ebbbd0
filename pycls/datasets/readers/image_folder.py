"""Class-folder trees, <root>/<split>/<class>/**/<image>: find a split, check it, list its images."""

from pathlib import Path

import numpy as np

from pycls.core.registry import did_you_mean
from pycls.datasets.readers.folder_cache import load_tree
from pycls.datasets.readers.folder_scan import EXTENSIONS, Tree, list_classes
from pycls.datasets.readers.samples import FileSamples

NUM_NAMED = 5  # names listed in an error before "and N more"


def load_folder(root: Path, split: str, other_split: str = "") -> FileSamples:
    """List the images of root/split; if root/other_split is there too, both must have the same classes.

    Labels number the classes in sorted order, which is therefore the same on both sides. Raise ValueError for a missing
    split, images without class folders, an empty class, no images at all, or a class that one side lacks.
    """
    folder = _split_folder(root, split)
    tree = load_tree(folder)
    _check_tree(folder, tree)
    other = root / (other_split or split)
    if other.is_dir():
        check_same_classes(folder, tree.classes, other, list_classes(other))
    return FileSamples(str(folder), tree.paths, tree.labels, tree.classes)


def check_same_classes(folder: Path, classes: tuple[str, ...], other: Path, other_classes: tuple[str, ...]) -> None:
    """Raise ValueError naming the classes that only one of two folders has."""
    _check_contained(folder, classes, other, other_classes)
    _check_contained(other, other_classes, folder, classes)


def _check_contained(here: Path, classes: tuple[str, ...], there: Path, known: tuple[str, ...]) -> None:
    lacking = sorted(set(classes) - set(known))
    if lacking:
        raise ValueError(f"{there} lacks {_plural(lacking)} that {here} has: {_listed(lacking)}")


def _split_folder(root: Path, split: str) -> Path:
    folder = root / split
    if not folder.is_dir():
        known = [entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
        found = f" (folders there: {_listed(sorted(known))})" if known else ""
        raise ValueError(f"{folder} does not exist: no split '{split}' in {root}{did_you_mean(split, known)}{found}")
    return folder


def _check_tree(folder: Path, tree: Tree) -> None:
    """Raise ValueError for a tree without classes, without images or with an empty class."""
    loose = sum(entry.name.lower().endswith(EXTENSIONS) for entry in folder.iterdir())
    if loose and not tree.classes:
        raise ValueError(
            f"{folder} holds {loose} images but no class folders: move each image into a folder of its class"
        )
    if len(tree.paths) == 0:
        raise ValueError(f"{folder} holds no images: expected <class>/<image> with one of {', '.join(EXTENSIONS)}")
    counts = np.bincount(tree.labels, minlength=len(tree.classes))
    empty = [name for name, count in zip(tree.classes, counts, strict=True) if count == 0]
    if empty:
        raise ValueError(f"{folder} has {_plural(empty)} without images: {_listed(empty)}")


def _plural(names: list[str]) -> str:
    return f"{len(names)} class" if len(names) == 1 else f"{len(names)} classes"


def _listed(names: list[str]) -> str:
    more = len(names) - NUM_NAMED
    return ", ".join(names[:NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
