"""Whether a run goes on with the images it began with: their order is a function of their number."""

import zlib

import numpy as np

from pycls.core.logging import get_logger
from pycls.datasets.readers.samples import FileSamples, Samples

logger = get_logger(__name__)


def data_identity(train: Samples, test: Samples) -> dict[str, list[int]]:
    """Return what a checkpoint keeps of each set: number of images, and checksums of their labels and names.

    Only image files have names (0: none).
    """
    return {"training": _identity(train), "test": _identity(test)}


def check_data(saved: dict[str, list[int]], now: dict[str, list[int]], step: int, where: str) -> None:
    """Warn of other images than those of a checkpoint; ValueError for others in the middle of a training epoch."""
    for name, old in saved.items():
        new = now[name]
        if old[:2] == new[:2] and (old[2] == new[2] or 0 in (old[2], new[2])):
            continue
        words = f"{where}: was made with {old[0]:,} {name} images, now there are {new[0]:,}"
        if old[0] == new[0]:
            words = f"{where}: was made with other {name} images, or other labels, though as many ({new[0]:,})"
        if name == "training" and step > 0:
            raise ValueError(f"{words}: its epoch cannot go on; bring the old ones back, or choose another OUT_DIR")
        logger.warning("%s; figures before and after cannot be compared", words)


def _identity(samples: Samples) -> list[int]:
    names = zlib.crc32(samples.paths.buffer) if isinstance(samples, FileSamples) else 0
    return [len(samples), zlib.crc32(np.ascontiguousarray(samples.labels)), names]
