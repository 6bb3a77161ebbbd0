"""Small pictures of samples, wherever these lie, inside of the page."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from pycls.core.page.pictures import data_uri, encode_image
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.decoders.orientation import read_orientation, turn_upright
from pycls.datasets.decoders.pillow import decode_rgb
from pycls.datasets.readers.samples import ArraySamples, Samples

SIDE_PX = 144  # longer side
MOST_BYTES = 10_000
_TINY_PX = 48  # up to this all pixels are kept
_QUALITIES = (82, 70, 55, 40, 25)


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, or why there is none."""

    uri: str = ""
    tiny: bool = False  # one pixel of it is one of the image's: the page shows it as squares
    error: str = ""


def thumbnail(samples: Samples, index: int, exif_rotate: bool = False) -> Thumbnail:
    """Return a small picture of one sample, decoded, and turned upright, as for the network, not cropped."""
    try:
        pixels = _pixels(samples, index, exif_rotate)
    except (OSError, ValueError) as error:  # it was there when it was evaluated
        return Thumbnail(error=str(error))
    image = Image.fromarray(pixels)
    if max(image.size) <= _TINY_PX:
        return Thumbnail(data_uri(encode_image(image, "PNG"), "PNG"), tiny=True)
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    for quality in _QUALITIES:
        data = encode_image(image, "JPEG", quality=quality)
        if len(data) <= MOST_BYTES:
            break
    return Thumbnail(data_uri(data, "JPEG"))


def _pixels(samples: Samples, index: int, exif_rotate: bool) -> np.ndarray:
    """Return uint8 (H, W, 3) or, of less than three channels the first, (H, W)."""
    if not isinstance(samples, ArraySamples):
        data = samples.read(index)
        read_header(data)  # which refuses what cannot be decoded in bounds
        pixels = decode_rgb(data)
        return np.ascontiguousarray(turn_upright(pixels, read_orientation(data))) if exif_rotate else pixels
    pixels = samples.images[index]
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] < 3 else pixels[..., :3])
