"""Where the images of a split are, however their owner keeps them: found by its name, listed, under its classes.

Class folders, shards packed by tools/pack_data.py, lists of images, and tars in webdataset's format (docs/DATA.md).
"""

from pathlib import Path

import numpy as np

from pycls.core.logging import get_logger
from pycls.datasets.readers.folder_scan import list_classes
from pycls.datasets.readers.image_folder import read_folder
from pycls.datasets.readers.problems import Problem, UnfitData, twin_problems
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.readers.tar import load_packed
from pycls.datasets.readers.tar_index import load_index
from pycls.datasets.sources.class_order import numbers_of, relabel
from pycls.datasets.sources.foreign_tars import load_tars
from pycls.datasets.sources.list_file import check_files, read_list
from pycls.datasets.sources.places import Place

logger = get_logger(__name__)


def load_place(place: Place, skip_bad: bool = False, empty_classes: bool = False) -> EncodedSamples:
    """List the images of a split under its own classes; UnfitData, a ValueError, for what cannot be trained on.

    `skip_bad`: files that a list names may be missing. `empty_classes`: folders of classes may be empty.
    """
    samples, problems = read_place(place, skip_bad, empty_classes)
    if problems:
        raise UnfitData(problems, samples)
    return samples


def read_place(place: Place, skip_bad: bool, empty_classes: bool) -> tuple[EncodedSamples, list[Problem]]:
    """List the images of a split as they are, with what training refuses of them; ValueError for what cannot be listed.

    The rest is that of `load_place`.
    """
    if place.kind == "folder":
        return read_folder(place.path.parent, place.split, empty_classes)
    samples = _load_files(place, skip_bad)
    return samples, twin_problems(str(place), place.split, samples.classes)


def _load_files(place: Place, skip_bad: bool) -> EncodedSamples:
    """List the images of shards or of a list."""
    if place.kind == "index":
        return load_packed(place.path)
    if place.kind == "tars":
        return load_tars(place.path, place.split, place.shards)
    listing = read_list(place.path)
    samples = listing.select(None if place.whole else place.split)
    check_files(listing, samples, skip_bad)
    return samples


def classes_of(place: Place) -> tuple[str, ...]:
    """Return the names of the classes of a split."""
    if place.kind == "folder":
        return list_classes(place.path)
    if place.kind == "index":
        return load_index(place.path).classes
    if place.kind == "tars":
        return load_tars(place.path, place.split, place.shards).classes
    return read_list(place.path).select(None if place.whole else place.split).classes


def with_classes(samples: EncodedSamples, place: Place, names: tuple[str, ...], whose: str) -> EncodedSamples:
    """Return samples under the classes that a file names; ValueError for one that it lacks.

    Where labels are numbers, and no names there, they are places in the file.
    """
    places = numbers_of(samples.classes, names, str(place), whose, by_number=True)
    return relabel(samples, places, names)


def absent(samples: EncodedSamples) -> list[str]:
    """Return the names of classes without images."""
    counts = np.bincount(samples.labels, minlength=len(samples.classes))
    return [name for name, count in zip(samples.classes, counts, strict=True) if count == 0]


def log_place(place: Place, wanted: str, key: str, root: Path) -> None:
    """Say in the log which part of the data in `root`, a folder or a list, was taken for a split of another name."""
    if place.split != wanted and not place.whole:
        logger.info("%s %s: there is none in %s, '%s' is taken", key, wanted, root, place.split)
