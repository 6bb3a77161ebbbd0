"""Hold a share of a data set out for validation, or cut it into folds, by file names alone.

Every image has a place in [0, 1) that is a pure function of the seed and its name, and belongs to the part of [0, 1)
in which its place lies. So adding or removing images moves no other one. Files of one numbered series (IMG_0001,
IMG_0002, ...) follow one another by the golden ratio, so that every stretch of them is cut in nearly exact shares
(Weyl 1916; Knuth, The Art of Computer Programming 3, section 6.4); other names are as good as random.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from pycls.core.registry import listed, shown
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.transforms.rng import GAMMA, MASK

_LAST_NUMBER = re.compile(r"[0-9]+(?=[^0-9]*$)")


def place(seed: int, name: str) -> float:
    """Return where in [0, 1) an image lies by its name, a path below the data set such as "cat/IMG_0012.jpg".

    The ending does not count (one picture in two formats stays together), nor does how an accent is coded (a Mac writes
    it otherwise).
    """
    folder, file = os.path.split(unicodedata.normalize("NFC", name))
    stem = os.path.splitext(file)[0]
    found = _LAST_NUMBER.search(stem)
    number, series = (int(found[0]), f"{stem[: found.start()]}#{stem[found.end() :]}") if found else (0, stem)
    text = f"{seed}\n{folder.replace(os.sep, '/')}\n{series}"
    start = int.from_bytes(hashlib.sha256(text.encode(errors="surrogateescape")).digest()[:8], "big")
    return (((start + number * GAMMA) & MASK) >> 11) * 2.0**-53


def divide(samples: EncodedSamples, seed: int, edges: Sequence[float], key: str) -> np.ndarray:
    """Return the part of each image, int64 (N,): part p has the places from edges[p] to edges[p + 1].

    A class that would have no image in a part gets its nearest one from the class's largest part: the only images whose
    part depends on others. Images of one place, such as one that is listed again, stay together. ValueError, naming the
    config key, for a class with fewer images than there are parts.
    """
    names = (samples.key(i).removeprefix(f"{samples.split}/") for i in range(len(samples)))
    places, image = np.unique([place(seed, name) for name in names], return_inverse=True)
    parts = np.searchsorted(np.asarray(edges), places, side="right") - 1
    num_parts, num_classes = len(edges) - 1, len(samples.classes)
    members, labels = _of_classes(image, samples.labels)
    _check_enough(samples, np.bincount(labels, minlength=num_classes), num_parts, key)
    for label in _incomplete(labels, parts[members], num_classes, num_parts):
        own = members[labels == label]
        parts[own] = _without_empty(parts[own], places[own], edges)
    torn = [shown(samples.classes[label]) for label in _incomplete(labels, parts[members], num_classes, num_parts)]
    if torn:
        raise ValueError(
            f"{key}: {samples.split} has images under several labels, and too few others for each part to have one of "
            f"{listed(torn)}: add images, or take those labels away"
        )
    return parts[image]


def _of_classes(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of each class and its label, both int64 (M,): an image counts once in each of its classes."""
    count = image.max() + 1
    pairs = np.unique(labels * count + image)
    return pairs % count, pairs // count


def _incomplete(labels: np.ndarray, parts: np.ndarray, num_classes: int, num_parts: int) -> np.ndarray:
    """Return the classes that lack images in some part, int64 (n,)."""
    counts = np.bincount(labels * num_parts + parts, minlength=num_classes * num_parts).reshape(-1, num_parts)
    return np.flatnonzero((counts == 0).any(1))


def _without_empty(parts: np.ndarray, places: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Return the parts (n,) of one class with an image in each of them."""
    parts = parts.copy()
    for empty in np.setdiff1d(np.arange(len(edges) - 1), parts):
        donor = np.bincount(parts).argmax()
        distances = np.maximum(edges[empty] - places, places - edges[empty + 1])
        parts[np.where(parts == donor, distances, np.inf).argmin()] = empty
    return parts


def _check_enough(samples: EncodedSamples, counts: np.ndarray, num_parts: int, key: str) -> None:
    few = [f"{shown(samples.classes[i])} ({counts[i]})" for i in np.flatnonzero(counts < num_parts)]
    if few:
        raise ValueError(
            f"{key} needs at least {num_parts} images of each class, one for each part; {samples.split} has fewer of "
            f"{listed(few)}: add images, or take the class away (one that is there again, or in another format, is no "
            "other one)"
        )
