"""A split of a data set on disk: a class-folder tree, or packed into tar shards by tools/pack_data.py."""

from pathlib import Path

from pycls.datasets.readers.folder_scan import list_classes
from pycls.datasets.readers.image_folder import read_folder
from pycls.datasets.readers.problems import Problem, UnfitData, class_problems, twin_problems
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.readers.tar_index import index_file, load_index


def has_split(root: Path, split: str) -> bool:
    """Tell whether a folder holds the split, packed or not."""
    return (root / split).is_dir() or index_file(root, split).exists()


def load_split(root: Path, split: str, other_split: str = "") -> FileSamples | PackedSamples:
    """List the images of a split; if `other_split` is there too, both must have the same classes.

    Raise UnfitData, a ValueError, for a split that cannot be trained on; ValueError for one that is there both ways,
    and for a damaged packed one.
    """
    source, is_packed = _source(root, split)
    problems: list[Problem] = []
    samples: FileSamples | PackedSamples
    if is_packed:
        samples = load_packed(source)
        problems = twin_problems(source, samples.classes)
    else:
        samples, problems = read_folder(root, split)
    if samples.classes and other_split and has_split(root, other_split):
        other, is_packed = _source(root, other_split)
        classes = load_index(other).classes if is_packed else list_classes(other)
        problems += class_problems(source, samples.classes, other, classes)
    if problems:
        raise UnfitData(problems, samples)
    return samples


def _source(root: Path, split: str) -> tuple[Path, bool]:
    """Return the index or the folder of a split, and whether it is the index."""
    index, folder = index_file(root, split), root / split
    if index.exists() and folder.is_dir():
        raise ValueError(f"{root} holds '{split}' twice: as the folder {folder} and packed as {index}; move one away")
    return (index, True) if index.exists() else (folder, False)
