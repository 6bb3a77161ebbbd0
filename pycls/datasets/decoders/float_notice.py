"""Say once that images have float pixels, of which the default contract shows 8 bits."""

import numpy as np

from pycls.core.logging import get_logger
from pycls.datasets.decoders import pillow
from pycls.datasets.readers.samples import EncodedSamples

logger = get_logger(__name__)

_ENDINGS = (".tif", ".tiff", ".pfm")  # of the formats that keep floats
_NUM_PROBED = 8  # files spread over the set: such sets are of one kind


def notice_floats(samples: EncodedSamples) -> None:
    """Log the first image with float pixels among a few of the set, and what is done with such."""
    for index in np.unique(np.linspace(0, len(samples) - 1, _NUM_PROBED).astype(int)).tolist():
        if samples.name(index).lower().endswith(_ENDINGS) and _is_float(samples, index):
            logger.info(
                "Images with float pixels (%s is the first seen): 0 to 1 is shown as gray levels 0 to 255",
                samples.name(index),
            )
            return


def _is_float(samples: EncodedSamples, index: int) -> bool:
    try:
        image = pillow.open_image(samples.read(index))
        if image is None:
            return False
        with image:
            return image.mode == "F"
    except (OSError, ValueError):
        return False  # the loader says what is wrong with it
