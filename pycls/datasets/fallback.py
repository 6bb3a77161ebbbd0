"""Decode and resize with Pillow: the reference pixels, and the way out for files that a decoder cannot read faithfully.

Every backend hands CMYK and YCCK JPEGs, palette, alpha and 16-bit PNGs, GIF, WebP, TIFF... to `decode_rgb`, so that they agree.
"""

import io

import numpy as np
from PIL import Image

from pycls.datasets.plan import View, eval_geometry


def decode_rgb(data: bytes) -> np.ndarray:
    """Decode any image file to uint8 (H, W, 3) RGB, alpha dropped, EXIF orientation ignored; ValueError if it cannot be."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(_eight_bit(image).convert("RGB"))
    # Pillow's plug-ins let many exception types through on damaged files; all of them mean the same to the user.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot decode the image: {error}") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """Keep the high byte of 16-bit gray pixels: Pillow's own conversion would turn all above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def show(image: np.ndarray, view: View, box: np.ndarray, flip: bool) -> np.ndarray:
    """Cut `box` (top, left, height, width) out of (H, W, 3) and resize it to the (S, S, 3) square of `view`."""
    square = _train_square(image, view, box) if view.train else _eval_square(image, view)
    return square[:, ::-1] if flip else square


def _train_square(image: np.ndarray, view: View, box: np.ndarray) -> np.ndarray:
    top, left, height, width = (int(value) for value in box)
    return resize(image[top : top + height, left : left + width], view.size, view.size, view.antialias)


def _eval_square(image: np.ndarray, view: View) -> np.ndarray:
    height, width, top, left = eval_geometry(view, image.shape[0], image.shape[1])
    return resize(image, height, width, view.antialias)[top : top + view.size, left : left + view.size]


def resize(image: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    """Resize uint8 (H, W, 3) with Pillow's triangle filter, or without antialias by plain bilinear sampling."""
    source = Image.fromarray(np.ascontiguousarray(image))
    if antialias:
        return np.asarray(source.resize((width, height), Image.Resampling.BILINEAR))
    # `resize` always antialiases; an affine map of the whole image samples at pixel centres with half-pixel offsets.
    whole = (0, 0, source.width, source.height)
    return np.asarray(source.transform((width, height), Image.Transform.EXTENT, whole, Image.Resampling.BILINEAR))
