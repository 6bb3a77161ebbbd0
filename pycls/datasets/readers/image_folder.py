"""Class-folder trees, <root>/<split>/<class>/**/<image>: find a split, check it, list its images."""

from pathlib import Path

from pycls.core.registry import did_you_mean, listed, plural
from pycls.datasets.readers.endings import BESIDE, FORMATS
from pycls.datasets.readers.folder_cache import load_tree
from pycls.datasets.readers.folder_scan import Tree
from pycls.datasets.readers.problems import (
    EMPTY_CLASS,
    LOOSE,
    MISSING_SPLIT,
    NO_IMAGES,
    Problem,
    UnfitData,
    twin_problems,
)
from pycls.datasets.readers.samples import FileSamples, without_images


def load_folder(root: Path, split: str, empty_classes: bool = False) -> FileSamples:
    """List the images of root/split; labels number the classes in sorted order.

    Raise UnfitData for a missing split, images beside or without class folders, no images at all, classes whose names
    look the same, and, unless `empty_classes` allows it, a class without images.
    """
    samples, problems = read_folder(root, split, empty_classes)
    if problems:
        raise UnfitData(problems, samples)
    return samples


def read_folder(root: Path, split: str, empty_classes: bool = False) -> tuple[FileSamples, list[Problem]]:
    """List the images of root/split as they are, with what training refuses of them; UnfitData for a missing split."""
    folder = _split_folder(root, split)
    tree = load_tree(folder)
    samples = FileSamples(str(folder), tree.paths, tree.labels, tree.classes, tree.left_out)
    return samples, _problems(folder, tree, empty_classes)


def _split_folder(root: Path, split: str) -> Path:
    folder = root / split
    if not folder.is_dir():
        known = [entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
        found = f" (folders there: {listed(sorted(known))})" if known else ""
        sentence = f"{folder} does not exist: no split '{split}' in {root}{did_you_mean(split, known)}{found}"
        raise UnfitData([Problem(MISSING_SPLIT, (split,), sentence)])
    return folder


def _problems(folder: Path, tree: Tree, empty_classes: bool) -> list[Problem]:
    """Return what is wrong with a tree: images beside its classes, or none, empty classes, the same name twice."""
    problems = _loose_images(folder, tree)
    if len(tree.paths) == 0 and not (problems and not tree.classes):
        sentence = f"{folder} holds no images: expected <class>/<image> with one of {', '.join(FORMATS)}"
        return [*problems, Problem(NO_IMAGES, (folder.name,), sentence)]
    empty = without_images(tree.labels, tree.classes)
    if empty and not empty_classes:
        sentence = f"{folder} has {plural(empty)} without images: {listed(empty)}"
        problems.append(Problem(EMPTY_CLASS, tuple(f"{folder.name}/{name}" for name in empty), sentence))
    return problems + twin_problems(str(folder), folder.name, tree.classes)


def _loose_images(folder: Path, tree: Tree) -> list[Problem]:
    if BESIDE not in tree.left_out.counts:
        return []
    loose = [path for path, reason in tree.left_out if reason == BESIDE]
    images = plural(loose, "image", "images")
    where = f"beside its class folders: {listed(loose)}" if tree.classes else "but no class folders"
    sentence = f"{folder} holds {images} {where}: move each image into a folder of its class"
    return [Problem(LOOSE, tuple(f"{folder.name}/{path}" for path in loose), sentence)]
