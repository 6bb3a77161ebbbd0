"""Repeated augmentation: several views of an image in a batch (Hoffer et al., CVPR 2020; Berman et al. 2019).

View v of image i is sample i + v * N of a set that repeats the images: crops, flips and all other draws are functions
of the sample's number, so they differ between views. The first view is what training without repeats shows.
"""

from dataclasses import dataclass, field

import numpy as np

from pycls.datasets.board import Cell
from pycls.datasets.plan import epoch_order
from pycls.datasets.samples import FileSamples


@dataclass(frozen=True, eq=False)
class Repeated:
    """The N samples of another set, `repeats` times: sample i + v * N is view v of image i."""

    samples: FileSamples
    repeats: int
    labels: np.ndarray = field(init=False)  # class of each view, int64 (repeats * N,)

    def __post_init__(self):
        object.__setattr__(self, "labels", np.tile(self.samples.labels, self.repeats))

    def __len__(self) -> int:
        return self.repeats * len(self.samples)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes."""
        return self.samples.classes

    def name(self, index: int) -> str:
        """Return the name of one image."""
        return self.samples.name(index % len(self.samples))

    def read(self, index: int) -> bytes:
        """Read one encoded image."""
        return self.samples.read(index % len(self.samples))

    def read_many(self, indices: np.ndarray, numbers: np.ndarray, note: Cell) -> list[bytes | None]:
        """Read images as the whole set does."""
        return self.samples.read_many(indices % len(self.samples), numbers, note)


def repeated_order(seed: int, epoch: int, num_images: int, repeats: int) -> np.ndarray:
    """Return the views that an epoch shows, int64 (num_images,): all views of an image in a row.

    An epoch stays as long as it is without repeats, so that it shows num_images / repeats different images.
    """
    shown = epoch_order(seed, epoch, num_images)[: -(-num_images // repeats)]
    return (shown[:, None] + num_images * np.arange(repeats)).ravel()[:num_images]
