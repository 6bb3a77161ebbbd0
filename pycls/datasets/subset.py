"""Some samples of a set, in any order and as often as wanted: for measurements that must not take a whole epoch."""

from dataclasses import dataclass

import numpy as np

from pycls.datasets.board import Cell
from pycls.datasets.plan import epoch_order
from pycls.datasets.samples import FileSamples


@dataclass(frozen=True, eq=False)
class Subset:
    """Samples `chosen` of another set, numbered from 0."""

    samples: FileSamples
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

    def name(self, index: int) -> str:
        """Return the name of one image."""
        return self.samples.name(self.chosen[index])

    def read(self, index: int) -> bytes:
        """Read one encoded image."""
        return self.samples.read(self.chosen[index])

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Cell) -> list[bytes | None]:
        """Read images as the whole set does."""
        return self.samples.read_many(self.chosen[indices], numbers, note)


def choose(samples: FileSamples, num_files: int, num_samples: int, seed: int = 0) -> Subset:
    """Return `num_samples` samples made of at most `num_files` different ones, spread over the whole set."""
    different = epoch_order(seed, 0, len(samples))[:num_files]
    return Subset(samples, np.resize(different, num_samples))
