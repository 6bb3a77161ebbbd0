"""Decode what the usual contract, 8 bits of RGB, leaves out: alpha, bands of TIFF files."""

import io

import numpy as np
from PIL import Image, TiffImagePlugin

from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.depth import to_eight_bit

_RGBA_CHANNELS = 4
_OPAQUE = 255
_SAMPLES_PER_PIXEL = 277  # tag of TIFF


def decode_channels(data: bytes, num_channels: int) -> np.ndarray:
    """Decode a file to uint8 (H, W, num_channels), four or more (or two); ValueError for one that has not that many.

    A TIFF file of as many gray pages has them as its channels. Otherwise four are RGB and alpha, 255 where an image has
    none.
    """
    with pillow.one_error(), Image.open(io.BytesIO(data)) as image:
        num_pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if num_pages == num_channels:
            return to_eight_bit(_pages(image, num_pages))
        if num_channels == _RGBA_CHANNELS:
            return _rgba(image)
        raise ValueError(
            f"expected a TIFF file of {num_channels} gray pages (DATA_LOADER.CHANNELS), it is {image.format} "
            f"{image.mode} of {num_pages}"
        )


def _pages(image: Image.Image, count: int) -> np.ndarray:
    """Return the pages of a file of several, all gray and of one size, as channels (H, W, count)."""
    pages = []
    for number in range(count):
        image.seek(number)
        pages.append(np.array(image))
    shapes = {page.shape for page in pages}
    if len(shapes) > 1 or len(pages[0].shape) != 2:
        raise ValueError(f"its {count} pages are not gray images of one size")
    return np.stack(pages, axis=2)


def _rgba(image: Image.Image) -> np.ndarray:
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    if has_alpha:
        return np.array(image.convert("RGBA"))
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_SAMPLES_PER_PIXEL, 1) > len("RGB"):
        raise ValueError("its fourth sample is not said to be alpha: save its bands as gray pages of a TIFF file")
    rgb = pillow.to_rgb(image)
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), _OPAQUE, np.uint8)], axis=2)
