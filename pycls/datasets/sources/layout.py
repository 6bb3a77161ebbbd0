"""Where data are, and what their folder holds by its sub-folders: splits with class folders, or these themselves."""

from collections.abc import Sequence
from pathlib import Path

from pycls.core.paths import expand_path
from pycls.datasets.readers.endings import is_image
from pycls.datasets.readers.paths import named_root
from pycls.datasets.sources.list_table import ENDINGS, is_list
from pycls.datasets.sources.split_names import is_usual


def data_path(data_dir: str) -> Path:
    """Return the folder or list that the key DATA_DIR, or the environment variable in its place, names."""
    source, named = named_root(data_dir)
    return folder_or_list(Path(expand_path(named, source)), f"{source}: {named}")


def folder_or_list(path: Path, named: str) -> Path:
    """Return a path that is a folder or a list of images; ValueError, which begins with `named`, for another one."""
    if path.is_dir() or (path.is_file() and is_list(path)):
        return path
    if not path.is_file():
        raise ValueError(f"{named} is not a folder")
    hint = "; of tars, give the folder" if path.suffix.lower() == ".tar" else ""
    raise ValueError(f"{named} is no folder, and no list of images ({', '.join(ENDINGS)}){hint}")


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
    """Return the sorted visible sub-folders, without the indexes of packed data."""
    visible = (entry for entry in root.iterdir() if entry.name[0] != "." and entry.suffix != ".index")
    return sorted(entry for entry in visible if entry.is_dir())


def _holds_images(folder: Path) -> bool:
    return any(is_image(entry.name) and entry.is_file() for entry in folder.iterdir())
