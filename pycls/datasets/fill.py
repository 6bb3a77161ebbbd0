"""Fill a part of a batch: what a worker does, whichever library decodes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pycls.datasets.chunk import Encoded, naming, read_chunk
from pycls.datasets.plan import View, augment
from pycls.datasets.samples import FileSamples

# Decodes one image and writes what the view shows of it into its place, uint8 (S, S, 3) RGB.
Show = Callable[[View, Encoded, np.ndarray], None]


@dataclass(frozen=True)
class Filler:
    """Turn sample indices into the pixels of their places in a batch."""

    samples: FileSamples
    view: View
    show: Show

    def __call__(self, places: np.ndarray, epoch: int, indices: np.ndarray) -> None:
        """Write the images of `indices` into the first of `places`, uint8 (N, S, S, 3); ValueError names a bad file."""
        chunk = read_chunk(self.samples, self.view, epoch, indices)
        for row, index in enumerate(indices):
            with naming(self.samples, index):
                self.show(self.view, chunk[row], places[row])
        augment(self.view, epoch, indices, places[: len(indices)])
