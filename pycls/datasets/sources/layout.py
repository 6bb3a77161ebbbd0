"""What a data folder holds, told from its sub-folders: splits with class folders, or the class folders themselves."""

from collections.abc import Sequence
from pathlib import Path

from pycls.datasets.readers.endings import is_image
from pycls.datasets.sources.split_names import is_usual


def class_folders(root: Path, splits: Sequence[str] = ()) -> list[str]:
    """Return the sorted names of the visible sub-folders, unless one of them is a split: then there are none.

    `splits` are names of splits besides the usual ones.
    """
    folders = _sub_folders(root)
    if split_folders(root, splits) or all(_is_called_split(folder, splits) for folder in folders):
        return []
    return [folder.name for folder in folders]


def split_folders(root: Path, splits: Sequence[str] = ()) -> list[str]:
    """Return the sorted names of the sub-folders that are called like a split, in any case.

    One in which images lie directly may be a class: "train" beside "bus" and "car".
    """
    called = [folder for folder in _sub_folders(root) if _is_called_split(folder, splits)]
    return [folder.name for folder in called if not _holds_images(folder)]


def _is_called_split(folder: Path, splits: Sequence[str]) -> bool:
    return is_usual(folder.name) or folder.name in splits


def _sub_folders(root: Path) -> list[Path]:
    """Return the visible folders, without the indexes of packed data."""
    entries = (entry for entry in root.iterdir() if entry.is_dir())
    return sorted(entry for entry in entries if entry.name[0] != "." and entry.suffix != ".index")


def _holds_images(folder: Path) -> bool:
    return any(is_image(entry.name) and entry.is_file() for entry in folder.iterdir())
