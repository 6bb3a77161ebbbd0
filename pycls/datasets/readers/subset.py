"""Some samples of a set, in any order and as often as wanted: for measurements that must not take a whole epoch."""

from dataclasses import dataclass

import numpy as np

from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.samplers import epoch_order


@dataclass(frozen=True, eq=False)
class Subset(EncodedSamples):
    """Samples `chosen` of another set, numbered from 0."""

    samples: EncodedSamples
    chosen: np.ndarray  # int64 (N,)

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def labels(self) -> np.ndarray:
        """Class of each sample, int64 (N,)."""
        return self.samples.labels[self.chosen]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes of the whole set."""
        return self.samples.classes

    @property
    def split(self) -> str:
        """The name of the split of the whole set."""
        return self.samples.split

    def name(self, index: int) -> str:
        """Return the name of one image."""
        return self.samples.name(self.chosen[index])

    def read(self, index: int) -> bytes:
        """Read one encoded image."""
        return self.samples.read(self.chosen[index])

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read images as the whole set does."""
        return self.samples.read_many(self.chosen[indices], numbers, note)


def choose(samples: EncodedSamples, num_files: int, num_samples: int, seed: int = 0) -> Subset:
    """Return `num_samples` samples made of at most `num_files` different ones, spread over the whole set."""
    different = epoch_order(seed, 0, len(samples))[:num_files]
    return Subset(samples, np.resize(different, num_samples))


@dataclass(frozen=True, eq=False)
class Views(EncodedSamples):
    """The samples of another set, which answer to the numbers of all views."""

    samples: EncodedSamples

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> np.ndarray:
        """Class of each image, int64 (N,)."""
        return self.samples.labels

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return self.samples.classes

    @property
    def split(self) -> str:
        """The name of the split of the whole set."""
        return self.samples.split

    def name(self, index: int) -> str:
        """Return the name of one image."""
        return self.samples.name(index % len(self.samples))

    def read(self, index: int) -> bytes:
        """Read one encoded image."""
        return self.samples.read(index % len(self.samples))

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Heartbeat) -> list[bytes | None]:
        """Read images as the whole set does."""
        return self.samples.read_many(indices % len(self.samples), numbers, note)
