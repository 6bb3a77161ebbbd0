"""What a data folder holds, told from its sub-folders: splits with class folders, or the class folders themselves."""

from collections.abc import Sequence
from pathlib import Path

from pycls.datasets.readers.folder_scan import EXTENSIONS
from pycls.datasets.readers.tar_index import index_file

SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval")


def class_folders(root: Path, splits: Sequence[str] = ()) -> list[str]:
    """Return the sorted names of the visible sub-folders, unless there is a split, packed or not: then there are none.

    `splits` are names of splits besides the usual ones.
    """
    folders = _sub_folders(root)
    is_packed = any(index_file(root, split).exists() for split in (*SPLIT_NAMES, *splits))
    if is_packed or split_folders(root, splits) or all(_is_called_split(folder, splits) for folder in folders):
        return []
    return [folder.name for folder in folders]


def split_folders(root: Path, splits: Sequence[str] = ()) -> list[str]:
    """Return the sorted names of the sub-folders that are called like a split, in any case.

    One in which images lie directly may be a class: "train" beside "bus" and "car".
    """
    called = [folder for folder in _sub_folders(root) if _is_called_split(folder, splits)]
    return [folder.name for folder in called if not _holds_images(folder)]


def _is_called_split(folder: Path, splits: Sequence[str]) -> bool:
    return folder.name.lower() in SPLIT_NAMES or folder.name in splits


def _sub_folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and entry.name[0] != ".")


def _holds_images(folder: Path) -> bool:
    return any(entry.name.lower().endswith(EXTENSIONS) and entry.is_file() for entry in folder.iterdir())
