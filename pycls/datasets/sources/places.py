"""Where the parts of a data set lie: class folders, packed shards, lists of images, tars that others wrote."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from pycls.core.registry import did_you_mean
from pycls.datasets.readers.folder_scan import list_classes
from pycls.datasets.readers.tar_index import index_file
from pycls.datasets.sources import split_names
from pycls.datasets.sources.list_file import no_such_split, read_list
from pycls.datasets.sources.list_table import is_list

NUM_NAMED = 5  # splits named in a message
_SHARD = re.compile(r"(.*?)[-_.]?\d*\.tar", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where one split lies, and how."""

    kind: str  # folder: of class folders; index: packed; list; tars
    split: str
    path: Path  # the folder, index or list; of tars the folder they lie in
    shards: tuple[Path, ...] = ()  # of tars
    whole: bool = False  # of a list or class folders: all of it, which names no splits

    def __str__(self) -> str:
        """Return the path, with the name of the split where that does not say it."""
        return str(self.path) if self.path.stem == self.split else f"{self.path} ({self.split})"


def find_place(root: Path, wanted: str, key: str) -> Place | None:
    """Return where the split that `wanted`, the value of `key`, means lies below `root`, a folder or a list; else None.

    ValueError when it is there twice, or several could be meant.
    """
    if root.is_file():
        return _in_list(root, wanted, key)
    found = _parts(root)
    split = split_names.resolve(wanted, found, key, str(root))
    return None if split is None else _only(root, split, found[split])


def not_there(root: Path, wanted: str, key: str) -> str:
    """Say that a split is nowhere below `root`, and what to do."""
    if root.is_file():
        return no_such_split(root, key, wanted, read_list(root).split_names)
    known = sorted(_parts(root))
    more = f" and {len(known) - NUM_NAMED} more" if len(known) > NUM_NAMED else ""
    there = f" (there: {', '.join(known[:NUM_NAMED])}{more})" if known else ""
    lists = lists_in(root)
    way_out = f"set {key} to the name of what is there" if known else "expected a folder of class folders, or a list"
    way_out += f", or DATA_DIR to the list {lists[0]}" if len(lists) == 1 else ""
    none = ", or TEST.SPLIT none to train without" if key == "TEST.SPLIT" else ""
    return f"no split '{wanted}' in {root}{did_you_mean(wanted, known)}{there}: {way_out}{none}"


def lists_in(root: Path) -> list[Path]:
    """Return the lists of images directly in a folder, whatever they are called."""
    return sorted(path for path in root.iterdir() if is_list(path) and path.is_file() and path.name[0] != ".")


def is_whole_list(root: Path) -> bool:
    """Tell whether the data are a list that names no splits."""
    return root.is_file() and not read_list(root).split_names


def whole_list(file: Path) -> Place:
    """Return all of a list as one split, which is called after the file."""
    return Place("list", file.stem, file, whole=True)


def splits_of(root: Path) -> list[Place]:
    """Return every part of a data set that its name tells to be one, such as train or Valid; ValueError for one twice.

    A folder of images may have a class "train": what holds no folders is no part.
    """
    if root.is_file():
        names = read_list(root).split_names
        return [Place("list", name, root) for name in names] or [whole_list(root)]
    found = {split: places for split, places in _parts(root).items() if split_names.is_usual(split)}
    every = [_only(root, split, places) for split, places in sorted(found.items(), key=lambda item: _rank(item[0]))]
    return [place for place in every if place.kind != "folder" or list_classes(place.path)]


def _rank(split: str) -> tuple[int, str]:
    return split_names.USUAL.index(split.lower()), split


def _in_list(file: Path, wanted: str, key: str) -> Place | None:
    """Return the rows of a split; a list that names no splits is the one that it is called after (train.csv)."""
    names = read_list(file).split_names
    split = split_names.resolve(wanted, names or [file.stem], key, str(file))
    return None if split is None else Place("list", split, file, whole=not names)


# ---- a folder


def _parts(root: Path) -> dict[str, list[Place]]:
    """Return all that could be a split of each name."""
    found: dict[str, list[Place]] = {}
    tars: dict[str, list[Path]] = {}
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        path, name = root / entry.name, entry.name
        if name.startswith("."):
            continue
        if name.endswith(".index"):
            found.setdefault(path.stem, []).append(Place("index", path.stem, path))
        elif entry.is_dir():
            found.setdefault(name, []).append(Place("folder", name, path))
        elif is_list(path):
            found.setdefault(path.stem, []).append(whole_list(path))
        elif (match := _SHARD.fullmatch(name)) and not index_file(root, match[1]).exists():  # else they are ours
            tars.setdefault(_split_of_shard(match[1]), []).append(path)
    for split, shards in tars.items():
        found.setdefault(split, []).append(Place("tars", split, root, tuple(shards)))
    return found


def _split_of_shard(stem: str) -> str:
    """Return the split that shards called `stem`-000000.tar are of: its last word, if that is called like one."""
    last = re.split(r"[-_.]", stem)[-1]
    return last if split_names.is_usual(last) else stem


def _only(root: Path, split: str, places: list[Place]) -> Place:
    """Return the one that counts; ValueError if there are several."""
    settled = [_as_tars(place) for place in places]
    if len(settled) > 1:  # bare images belong to the list beside them; a list beside class folders only describes them
        settled = [place for place in settled if place.kind != "folder" or list_classes(place.path)]
        settled = [place for place in settled if place.kind != "list"] or settled
    if len(settled) > 1:
        both = " and ".join(map(_described, settled[:2]))
        raise ValueError(f"{root} holds '{split}' twice: {both}; move one away")
    return settled[0]


def _as_tars(place: Place) -> Place:
    """Return a folder of tars as such."""
    if place.kind != "folder" or list_classes(place.path):
        return place
    shards = tuple(sorted(path for path in place.path.iterdir() if _SHARD.fullmatch(path.name)))
    return Place("tars", place.split, place.path, shards) if shards else place


def _described(place: Place) -> str:
    words = {"folder": "as the folder ", "index": "packed as ", "list": "as the list ", "tars": "as tars in "}
    return f"{words[place.kind]}{place.path}"
