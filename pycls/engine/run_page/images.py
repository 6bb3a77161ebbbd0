"""What the page says of single images: the surest mistakes, the least certain ones, and how far a certainty carries."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pycls.datasets.readers.samples import ArraySamples, Samples
from pycls.engine.reporting.image_predictions import ImagePredictions
from pycls.engine.run_page.thumbnails import Thumbnail, thumbnail

NUM_SHOWN = 24
_NUM_PARTS = 5
_NUM_THREADS = 4


@dataclass(frozen=True)
class ImageCard:
    """One image with what the network says of it."""

    name: str  # in full
    path: str  # as skip lists name it
    picture: Thumbnail
    true: str
    predicted: str
    right: bool
    prob_pct: float  # of the predicted class; NaN where a logit was no number
    true_pct: float  # of the true class
    uncertainty: float | None


@dataclass(frozen=True)
class CertaintyPart:
    """One fifth of the images, by how certain the network is of them."""

    title: str
    images: int
    mean_prob_pct: float
    accuracy_pct: float
    most_uncertainty: float | None


def cards(found: ImagePredictions, rows: np.ndarray, samples: Samples, exif_rotate: bool = False) -> list[ImageCard]:
    """Return the images of some rows of the predictions, in that order; upright where the network sees them so."""
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        pictures = list(pool.map(lambda row: thumbnail(samples, int(found.indices[row]), exif_rotate), rows.tolist()))
    return [_card(found, row, picture, samples) for row, picture in zip(rows.tolist(), pictures, strict=True)]


def _card(found: ImagePredictions, row: int, picture: Thumbnail, samples: Samples) -> ImageCard:
    index = int(found.indices[row])
    return ImageCard(
        samples.name(index),
        samples.name(index) if isinstance(samples, ArraySamples) else samples.key(index),
        picture,
        samples.classes[found.labels[row]],
        samples.classes[found.classes[row, 0]],
        bool(found.right[row]),
        100.0 * float(found.probs[row, 0]),
        100.0 * float(found.label_probs[row]),
        None if found.uncertainty is None else float(found.uncertainty[row]),
    )


def parts(found: ImagePredictions) -> Sequence[CertaintyPart]:
    """Return fifths of the images, the most certain first: by uncertainty where that is known, or by probability.

    There are none of fewer images than would say anything.
    """
    if len(found) < 10 * _NUM_PARTS:
        return ()
    doubt = -found.probs[:, 0] if found.uncertainty is None else found.uncertainty
    order = np.argsort(np.nan_to_num(doubt.astype(np.float64), nan=np.inf), kind="stable")
    names = ["most certain fifth", "second fifth", "third fifth", "fourth fifth", "least certain fifth"]
    return [_part(title, found, rows) for title, rows in zip(names, np.array_split(order, _NUM_PARTS), strict=True)]


def _part(title: str, found: ImagePredictions, rows: np.ndarray) -> CertaintyPart:
    most = None if found.uncertainty is None else float(found.uncertainty[rows].max())
    mean_prob, accuracy = float(found.probs[rows, 0].mean()), float(found.right[rows].mean())
    return CertaintyPart(title, len(rows), 100.0 * mean_prob, 100.0 * accuracy, most)
