"""Whether samples are what their data set says: mistakes of a new data set, in one line instead of far below."""

import numpy as np

from pycls.datasets.info import Dataset
from pycls.datasets.readers.samples import ArraySamples, Samples


def check_samples(samples: Samples, dataset: Dataset, where: str) -> None:
    """Raise ValueError naming `where`, such as "TRAIN.DATASET mine", for samples that no loader could show."""
    labels, count = samples.labels, len(samples.classes)
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.shape != (len(samples),):
        found = f"{labels.dtype} {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise ValueError(f"{where}: labels must be an int64 array of shape ({len(samples)},), got {found}")
    if len(labels) == 0:
        raise ValueError(f"{where}: has no images")
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(f"{where}: labels run from {labels.min()} to {labels.max()}, but there are {count} classes")
    if isinstance(samples, ArraySamples):
        _check_images(samples, dataset.im_size, where)
    elif dataset.im_size is not None:
        hint = "set it None, or build ArraySamples"
        raise ValueError(f"{where}: Dataset.im_size {dataset.im_size} is for array data, these are files; {hint}")


def _check_images(samples: ArraySamples, im_size: int | None, where: str) -> None:
    images = samples.images
    if im_size is None:
        raise ValueError(f"{where}: array data needs Dataset.im_size, the side of its images in pixels")
    shape = len(samples), im_size, im_size, 3
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != shape[:3] or images.shape[3] < 1:
        raise ValueError(
            f"{where}: images must be a uint8 array of shape {shape}, or with 1 channel (Dataset.im_size is "
            f"{im_size}), got {images.dtype} {images.shape}"
        )
