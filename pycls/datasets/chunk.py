"""Read a few files and attach what the plan wants to see of each: the input of every backend."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pycls.datasets import plan
from pycls.datasets.header import Header, read_header
from pycls.datasets.plan import View
from pycls.datasets.samples import FileSamples


@dataclass(frozen=True)
class Encoded:
    """One encoded image and what is to be shown of it."""

    data: bytes  # the whole file
    header: Header
    box: np.ndarray  # float64 (4,): top, left, height, width in source pixels
    flip: bool


@dataclass(frozen=True)
class Chunk:
    """Some encoded images of one batch, in order, with their crop boxes and flips."""

    indices: np.ndarray  # int64 (n,)
    data: list[bytes]  # whole encoded files
    headers: list[Header]
    boxes: np.ndarray  # float64 (n, 4): top, left, height, width in source pixels
    flips: np.ndarray  # bool (n,)

    def __getitem__(self, row: int) -> Encoded:
        return Encoded(self.data[row], self.headers[row], self.boxes[row], bool(self.flips[row]))


def read_chunk(samples: FileSamples, view: View, epoch: int, indices: np.ndarray) -> Chunk:
    """Read the files of `indices` and draw their views; ValueError naming a file that is not an image."""
    data, headers = [], []
    for index in indices:
        with naming(samples, index):
            data.append(samples.read(index))
            headers.append(read_header(data[-1]))
    heights = np.array([header.height for header in headers], np.int64)
    widths = np.array([header.width for header in headers], np.int64)
    boxes = plan.boxes(view, epoch, indices, heights, widths)
    return Chunk(indices, data, headers, boxes, plan.flips(view, epoch, indices))


@contextmanager
def naming(samples: FileSamples, index: int) -> Iterator[None]:
    """Turn an error about one image into a ValueError that starts with its file name."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ValueError(f"{samples.name(index)}: {error}") from error
