"""Where the images of one split are: encoded files, or one array; array-backed, so that worker memory stays flat."""

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pycls.core.bounds.regular_file import read_regular
from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.native import read_files


@dataclass(frozen=True, eq=False)
class Names:
    """An immutable list of strings as one byte buffer and N + 1 offsets: a million paths without a million objects."""

    buffer: bytes | np.ndarray  # uint8 when it is mapped from a file
    offsets: np.ndarray  # int64 (N + 1,)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(bytes(self.buffer[self.offsets[index] : self.offsets[index + 1]]))

    def select(self, keep: np.ndarray) -> "Names":
        """Return those where `keep`, bool (N,), is true."""
        lengths = np.diff(self.offsets)
        offsets = np.concatenate([[0], np.cumsum(lengths[keep])])
        return Names(np.frombuffer(self.buffer, np.uint8)[np.repeat(keep, lengths)].tobytes(), offsets)


def pack_names(names: Sequence[str]) -> Names:
    """Pack strings (file names that are not valid Unicode included) into one buffer."""
    encoded = [os.fsencode(name) for name in names]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(name) for name in encoded], out=offsets[1:])
    return Names(b"".join(encoded), offsets)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Files that lie among the images and are none."""

    paths: Names  # sorted
    reasons: Names  # of each: its ending, or what else is the reason
    counts: Mapping[str, int]  # of files for each reason

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((self.paths[index], self.reasons[index]) for index in range(len(self)))


def without_images(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return the names of the classes without images; `labels`, int64 (N,), are their numbers."""
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if count == 0]


def pack_left_out(pairs: Iterable[tuple[str, str]]) -> LeftOut:
    """Pack (path, reason) pairs, sorted."""
    pairs = sorted(pairs)
    paths, reasons = [path for path, _ in pairs], [reason for _, reason in pairs]
    return LeftOut(pack_names(paths), pack_names(reasons), Counter(reasons))


NOTHING_LEFT_OUT = pack_left_out([])


class EncodedSamples(ABC):
    """Encoded images wherever they are; what the backends for image files need. Travels to worker processes (pickle).

    Outside code may inherit from it, and give `labels`, `classes`, `split`, `name` and `read`.
    """

    if TYPE_CHECKING:  # attributes, or properties where they are computed

        @property
        def labels(self) -> np.ndarray:
            """Class of each image, int64 (N,)."""

        @property
        def classes(self) -> tuple[str, ...]:
            """Names of all classes, in the order of the labels."""

        @property
        def split(self) -> str:
            """The name of the split, such as "train", for messages and reports."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what messages call one image, such as its path."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """Return one whole encoded image; OSError or ValueError if it cannot be read."""

    @property
    def left_out(self) -> LeftOut:
        """What lies where the images do and is not among them."""
        return NOTHING_LEFT_OUT

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read images in one call; None: not done, `read` does it. `numbers`, int64 (n,), are noted."""
        return [None] * len(indices)

    def key(self, index: int) -> str:
        """Return the name of one image in reports and skip lists."""
        return f"{self.split}/{self.name(index)}"

    def select(self, keep: np.ndarray) -> "EncodedSamples":
        """Return the samples where `keep`, bool (N,), is true; all classes stay. ValueError where that is not there."""
        raise ValueError(
            f"{type(self).__name__} cannot leave images out, it has no select(keep), which DATA_LOADER.SKIP_LIST, "
            "DATA.VAL_FRACTION and DATA.FOLDS need"
        )


@dataclass(frozen=True, eq=False)
class FileSamples(EncodedSamples):
    """Encoded image files below one folder."""

    root: str
    paths: Names  # relative to root
    labels: np.ndarray  # int64 (N,)
    classes: tuple[str, ...]
    left_out: LeftOut = NOTHING_LEFT_OUT  # files of the folder that are not among them; stays in the main process

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "left_out"}

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def split(self) -> str:
        """The name of the folder, such as "train"."""
        return os.path.basename(self.root)

    def name(self, index: int) -> str:
        """Return the path of one image."""
        return os.path.join(self.root, self.paths[index])

    def key(self, index: int) -> str:
        """Return the name of one image in skip lists, <split>/<class>/<image>."""
        return f"{self.split}/{self.paths[index]}"

    def select(self, keep: np.ndarray) -> "FileSamples":
        """Return the samples where `keep`, bool (N,), is true; all classes stay."""
        return replace(self, paths=self.paths.select(keep), labels=self.labels[keep])

    def read(self, index: int) -> bytes:
        """Read one whole encoded file; OSError naming the path if it cannot be read, ValueError if it is no file."""
        return read_regular(self.name(index))

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read files in one call, without Python's lock; None: not done, `read` does it or says what is wrong.

        `numbers`, int64 (n,), are noted: the same as `indices`, unless these are part of a Subset.
        """
        return read_files([os.fsencode(self.name(index)) for index in indices], numbers, note)


@dataclass(frozen=True, eq=False)
class ArraySamples:
    """Decoded images of one size in one array."""

    images: np.ndarray  # uint8 (N, H, W, C), C = 1 (gray), 3 (RGB) or DATA_LOADER.CHANNELS
    labels: np.ndarray  # int64 (N,)
    classes: tuple[str, ...]
    source: str  # for messages, such as "cifar10 train"

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """Return a name for messages, such as "cifar10 train #17"."""
        return f"{self.source} #{index}"

    def read(self, index: int) -> bytes:
        """Return the raw pixels of one image, row by row."""
        return self.images[index].tobytes()


Samples = EncodedSamples | ArraySamples
