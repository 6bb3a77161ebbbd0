"""Read a few files and draw the view of each: the input of every backend."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pycls.datasets.decoders.image_header import Header, read_header
from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View

_UNREADABLE = b"", Header(1, 1, False)  # stands in for a file that could not be read
# The machine's trouble, not the file's: never a reason to skip an image.
_NOT_THE_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True)
class EncodedImage:
    """One encoded image and what is to be shown of it."""

    data: bytes  # the whole file
    header: Header
    box: np.ndarray  # float64 (4,): top, left, height, width in source pixels
    flip: bool
    filter: Filter


@dataclass(frozen=True)
class EncodedBatch:
    """Some encoded images of one batch, in order, and what is to be shown of them."""

    indices: np.ndarray  # int64 (n,)
    data: list[bytes]  # whole encoded files
    headers: list[Header]
    boxes: np.ndarray  # float64 (n, 4): top, left, height, width in source pixels
    flips: np.ndarray  # bool (n,)
    filters: np.ndarray  # uint8 (n,): Filter
    errors: dict[int, ValueError]  # row -> what is wrong with its file

    def __getitem__(self, row: int) -> EncodedImage:
        """Return one image; raise the ValueError, naming the file, of one that could not be read."""
        if row in self.errors:
            raise self.errors[row]
        look = self.boxes[row], bool(self.flips[row]), Filter(self.filters[row])
        return EncodedImage(self.data[row], self.headers[row], *look)


def read_encoded(samples: EncodedSamples, view: View, epoch: int, indices: np.ndarray, note: Heartbeat) -> EncodedBatch:
    """Read the files of `indices` and draw their views; what is no image is in `errors`, to be raised or skipped."""
    files: list[tuple[bytes, Header]] = []
    errors: dict[int, ValueError] = {}
    for row, content in enumerate(samples.read_many(indices, indices, note)):
        try:
            files.append(_image(samples, view, indices[row], content, note))
        except ValueError as error:
            errors[row] = error
            files.append(_UNREADABLE)
    data, headers = [file for file, _ in files], [header for _, header in files]
    heights = np.array([header.height for header in headers], np.int64)
    widths = np.array([header.width for header in headers], np.int64)
    boxes = views.boxes(view, epoch, indices, heights, widths)
    look = boxes, views.flips(view, epoch, indices), views.filters(view, epoch, indices)
    return EncodedBatch(indices, data, headers, *look, errors)


def _image(
    samples: EncodedSamples, view: View, index: int, data: bytes | None, note: Heartbeat
) -> tuple[bytes, Header]:
    with naming(samples, index):
        if data is None:
            note(index)
            data = samples.read(index)
        return data, read_header(data, view.exif_rotate)


@contextmanager
def naming(samples: EncodedSamples, index: int) -> Iterator[None]:
    """Turn an error about one image into a ValueError that starts with its file name."""
    try:
        yield
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in _NOT_THE_FILE:
            raise
        raise ValueError(f"{samples.name(index)}: {error}") from error
