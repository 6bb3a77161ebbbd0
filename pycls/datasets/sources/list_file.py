"""A list of images instead of folders: a table of path, label and perhaps split; paths are relative to the list."""

import functools
import os
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pycls.core.logging import get_logger
from pycls.core.machine import cache_dir, path_digest
from pycls.core.registry import listed
from pycls.datasets.readers.array_files import map_arrays, write_arrays
from pycls.datasets.readers.folder_scan import NUM_THREADS
from pycls.datasets.readers.samples import FileSamples, Names
from pycls.datasets.sources.class_order import in_order
from pycls.datasets.sources.list_table import SPLIT, read_table

NUM_NAMED = 3  # images named in a message
_CHUNK = 4096  # files looked for at once
_MANY = 100_000  # images from which on a list is shared by processes
_MOST_PATH_BYTES = 1_000_000_000  # the 14 million paths of ImageNet-21k have less
_KIND, _VERSION = "pycls part of a list", 1

logger = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class ListedSamples(FileSamples):
    """Image files that a list names; paths that are not absolute are relative to the folder of the list."""

    part: str = ""  # name of the split

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.part


@dataclass(frozen=True, eq=False)
class Listing:
    """A whole list, in its order, as flat arrays."""

    file: Path
    paths: Names
    labels: np.ndarray  # int64 (N,): numbers in `label_names`
    label_names: tuple[str, ...]  # in the order of their first image
    splits: np.ndarray  # int64 (N,): numbers in `split_names`
    split_names: tuple[str, ...]  # as they are written first; empty without a column of splits

    def select(self, split: str | None) -> ListedSamples:
        """Return the images of one split, or of all (None); classes are those of the labels there, in order."""
        number = None if split is None else self.split_names.index(split)
        keep = np.ones(len(self.paths), bool) if number is None else self.splits == number
        seen, labels = np.unique(self.labels[keep], return_inverse=True)
        names = [self.label_names[label] for label in seen]
        classes, rank = in_order(names)
        part = self.file.stem if split is None else split
        arrays = _shared(self.file, part, self.paths.select(keep), rank[labels])
        return ListedSamples(str(self.file.parent), *arrays, classes, part=part)


def _shared(file: Path, part: str, paths: Names, labels: np.ndarray) -> tuple[Names, np.ndarray]:
    """Return the same, of many images mapped from the user's cache: worker processes then share one copy."""
    if len(labels) < _MANY:
        return paths, labels
    folder = cache_dir() / "index" / f"list-{path_digest(Path(f'{file}/{part}'))}"  # a split may be called ../x
    arrays = {"labels": labels, "paths": np.frombuffer(paths.buffer, np.uint8), "offsets": paths.offsets}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(folder, _KIND, _VERSION, {}, arrays)
    except OSError:
        return paths, labels
    mapped = map_arrays(folder, _KIND, _VERSION).arrays
    return Names(mapped["paths"], mapped["offsets"]), mapped["labels"]


@dataclass
class _Numbered:
    """Texts numbered in the order of their first appearance; those that differ in case only are one, if asked."""

    any_case: bool = False
    numbers: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        key = text.lower() if self.any_case else text
        found = self.numbers.setdefault(key, len(self.names))
        if found == len(self.names):
            self.names.append(text)
        return found


def read_list(file: Path) -> Listing:
    """Read a whole list; ValueError naming file and line for what is none, and for a row without path or label.

    It is kept until the file changes: both phases of a training ask for it, and for the classes of the other one.
    """
    found = file.stat()
    return _read_list(file, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=2)
def _read_list(file: Path, mtime_ns: int, size: int) -> Listing:
    columns, rows = read_table(file)
    buffer, ends, labels, splits = bytearray(), array("q", [0]), array("q"), array("q")
    label_numbers, split_numbers = _Numbered(), _Numbered(any_case=True)
    folder = os.path.abspath(file.parent)
    hashes = array("q")  # of paths: all of them in a set would take several times the memory
    for line, path, label, split in rows:
        if columns.split is not None and not split:
            raise ValueError(f"{file}:{line}: the split is empty")
        encoded = os.fsencode(_as_here(folder, path))
        buffer += encoded
        hashes.append(hash(encoded))
        ends.append(len(buffer))
        if len(buffer) > _MOST_PATH_BYTES:
            raise ValueError(f"{file}:{line}: the paths up to here have more than {_MOST_PATH_BYTES:,} bytes")
        labels.append(label_numbers.number(label))
        splits.append(split_numbers.number(split))
    if not labels:
        raise ValueError(f"{file} lists no images")
    logger.info("%s: %d images in %d classes (%s)", file, len(labels), len(label_numbers.names), columns.described())
    names = () if columns.split is None else tuple(split_numbers.names)
    paths = Names(bytes(buffer), np.array(ends, np.int64))
    numbers = np.array(labels, np.int64), np.array(splits, np.int64)
    listing = Listing(file, paths, numbers[0], tuple(label_numbers.names), numbers[1], names)
    _warn_of_duplicates(listing, np.array(hashes, np.int64))
    return listing


def _warn_of_duplicates(listing: Listing, hashes: np.ndarray) -> None:
    """Tell of rows that name an image again: they count again, and may contradict the first or lie in two splits."""
    order = np.argsort(hashes, kind="stable")
    again = np.flatnonzero(np.diff(hashes[order]) == 0)
    if not len(again):
        return
    here, first = order[again + 1], order[again]
    kinds = {
        "with another label": listing.labels[here] != listing.labels[first],
        "in another split": listing.splits[here] != listing.splits[first],
    }
    words = "".join(f", {found.sum()} of them {kind}" for kind, found in kinds.items() if found.any())
    names = listed([listing.paths[row] for row in np.sort(here).tolist()], NUM_NAMED)
    logger.warning("%s: %d rows name an image that is listed before%s: %s", listing.file, len(here), words, names)


def no_such_split(file: Path, key: str, split: str, known: tuple[str, ...]) -> str:
    """Say what to do where a list does not tell which images belong to a split."""
    if known:
        return f"{file} lists no split '{split}', only {', '.join(known)}: set {key} to one of them"
    hint = f"add a column '{SPLIT[0]}', or set TEST.SPLIT none to train on all"
    return f"{file} does not say which images are '{split}' ({key}): {hint}"


def _as_here(folder: str, path: str) -> str:
    """Return a path as this system writes it, and in one way: what lies below the list's folder relative to that.

    A list made on Windows has backslashes. An image that is listed in two ways would otherwise be two of them.
    """
    if "\\" in path and os.sep == "/" and not os.path.exists(os.path.join(folder, path)):
        path = path.replace("\\", "/")
    plain = os.path.normpath(path).removeprefix(folder.rstrip(os.sep) + os.sep)
    is_same = ".." not in path or os.path.realpath(os.path.join(folder, path)) == os.path.realpath(
        os.path.join(folder, plain)
    )
    return plain if is_same else path  # "link/../a.jpg" lies beside what the link leads to


def check_files(listing: Listing, samples: ListedSamples, skip_bad: bool) -> None:
    """Raise ValueError naming files that are not there; with `skip_bad` only warn of them."""
    missing = list(_missing(samples))
    if not missing:
        return
    names = listed([samples.paths[number] for number in missing], NUM_NAMED)
    words = f"{listing.file}: {len(missing)} of {len(samples)} images of '{samples.split}' are not there: {names}"
    if not skip_bad:
        where = f"paths are relative to {samples.root}" if not os.path.isabs(names) else "all paths there are absolute"
        raise ValueError(f"{words} ({where}); DATA_LOADER.ON_BAD_IMAGE skip goes on without them")
    logger.warning("%s", words)


def _missing(samples: ListedSamples) -> Iterator[int]:
    """Yield the numbers of files that are not there; looking waits for the disk, so that threads help."""

    def look(start: int) -> list[int]:
        numbers = range(start, min(start + _CHUNK, len(samples)))
        return [number for number in numbers if not os.path.isfile(samples.name(number))]

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for numbers in pool.map(look, range(0, len(samples), _CHUNK)):
            yield from numbers
