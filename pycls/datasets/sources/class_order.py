"""The order of classes, and labels in the order of other names: a class file's, a checkpoint's, the training data's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.problems import lacking_classes
from pycls.datasets.readers.samples import EncodedSamples, FileSamples, LeftOut

_NUMBER = re.compile(r"\d+")


def in_order(labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return classes in order and the class of each label, int64 (L,): numbers by value, other names as folders are.

    Numbers that are written in two ways (7 and 007) are one class.
    """
    if all(map(is_number, labels)):
        values = [int(label) for label in labels]
        classes = sorted(set(values))
        return tuple(map(str, classes)), np.searchsorted(classes, values)
    names = sorted(set(labels))
    places = {name: place for place, name in enumerate(names)}
    return tuple(names), np.array([places[label] for label in labels], np.int64)


def is_number(label: str) -> bool:
    """Tell whether a label is a whole number, from 0 on."""
    return _NUMBER.fullmatch(label) is not None and label.isascii() and len(label) < 10


def numbers_of(
    classes: Sequence[str], names: Sequence[str], where: str, whose: str, by_number: bool = False
) -> np.ndarray:
    """Return the place of each class among `names`, int64 (C,); ValueError for a class that is not there.

    `by_number`: classes that are all numbers, and no names, are places themselves.
    """
    places = {name: place for place, name in enumerate(names)}
    lacking = [name for name in classes if name not in places]
    if not lacking:
        return np.array([places[name] for name in classes], np.int64)
    if by_number and len(lacking) == len(classes) and all(map(is_number, classes)):
        return _places(classes, len(names), where, whose)
    raise ValueError(lacking_classes(whose, "", names, where, classes)[0].sentence)


def _places(classes: Sequence[str], count: int, where: str, whose: str) -> np.ndarray:
    places = np.array([int(label) for label in classes], np.int64)
    if places.max() >= count:
        raise ValueError(f"{where} has label {places.max()}, but {whose} names {count} classes, from 0 to {count - 1}")
    first: dict[int, str] = {}
    for name, place in zip(classes, places.tolist(), strict=True):
        if first.setdefault(place, name) != name:
            raise ValueError(f"{where} has {first[place]} and {name}, which are one number in {whose}: join them")
    return places


def relabel(samples: EncodedSamples, places: np.ndarray, names: Sequence[str]) -> EncodedSamples:
    """Return samples whose class c is class `places[c]`, int64 (C,), of `names`."""
    if tuple(names) == tuple(samples.classes) and np.array_equal(places, np.arange(len(places))):
        return samples
    if isinstance(samples, FileSamples):
        return replace(samples, labels=places[samples.labels], classes=tuple(names))
    return Relabeled(samples, places, tuple(names))


@dataclass(frozen=True, eq=False)
class Relabeled(EncodedSamples):
    """Samples under the classes of another list of names."""

    samples: EncodedSamples
    places: np.ndarray  # int64 (C,): the class here of each of theirs
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> np.ndarray:
        """Class of each image, int64 (N,)."""
        return self.places[self.samples.labels]

    @property
    def split(self) -> str:
        """The name of the split."""
        return self.samples.split

    @property
    def left_out(self) -> LeftOut:
        """What lies where the images do and is not among them."""
        return self.samples.left_out

    def name(self, index: int) -> str:
        """Return the name of one image."""
        return self.samples.name(index)

    def key(self, index: int) -> str:
        """Return the name of one image in skip lists."""
        return self.samples.key(index)

    def select(self, keep: np.ndarray) -> "Relabeled":
        """Return the samples where `keep`, bool (N,), is true; all classes stay."""
        return replace(self, samples=self.samples.select(keep))

    def read(self, index: int) -> bytes:
        """Read one encoded image."""
        return self.samples.read(index)

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read images as the samples do."""
        return self.samples.read_many(indices, numbers, note)
