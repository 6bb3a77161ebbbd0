"""The C extension: reads and decodes the images of a batch in one call each, without Python's lock.

It is built when libjpeg-turbo's headers are there (docs/JPEG.md). Without it nothing is read here: Python must.
"""

import importlib
from functools import cache
from types import ModuleType

import numpy as np

from pycls.datasets.heartbeat import Heartbeat

HOW_TO_BUILD = "install libjpeg-turbo's headers (libjpeg-dev, libjpeg-turbo-devel), then pip install again"

MOST_OPEN = 32  # files that one call holds open


@cache
def extension() -> ModuleType | str:
    """Return the extension, or why there is none."""
    try:
        return importlib.import_module("pycls.datasets.readers._native")
    except ModuleNotFoundError:
        return "the C extension is not built"
    except ImportError as error:  # it was built, but libjpeg has gone since
        return f"the C extension cannot be loaded: {error}"


def loaded() -> ModuleType:
    """Return the extension where the caller knows that it is there."""
    module = extension()
    assert isinstance(module, ModuleType), module
    return module


def read_files(paths: list[bytes], indices: np.ndarray, note: Heartbeat) -> list[bytes | None]:
    """Read whole files; None for one that was not read: Python's own way says why.

    `indices`, int64 (n,), are the samples' numbers for the watchdog.
    """
    if isinstance(extension(), str):
        return [None] * len(paths)
    read, indices = loaded().read_files, np.ascontiguousarray(indices)
    groups = [slice(start, start + MOST_OPEN) for start in range(0, len(paths), MOST_OPEN)]
    return [data for group in groups for data in read(paths[group], indices[group], note.row)]


def read_pieces(pieces: np.ndarray, indices: np.ndarray, note: Heartbeat) -> list[bytes | None]:
    """Read pieces of open files, int64 (n, 4): file id, offset, size, CRC-32; None: not read, or another checksum."""
    if isinstance(extension(), str):
        return [None] * len(pieces)
    return loaded().read_pieces(np.ascontiguousarray(pieces), np.ascontiguousarray(indices), note.row)
