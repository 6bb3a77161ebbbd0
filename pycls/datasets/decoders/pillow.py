"""Decode and resize with Pillow: the reference pixels, and the way out for files that a decoder cannot read faithfully.

Every backend decodes CMYK and YCCK JPEGs, palette, alpha and 16-bit PNGs, GIF, WebP, TIFF... with `decode_rgb`, so that
all of them have the same pixels.
"""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, eval_geometry

_MAX_ASPECT = 16  # longer images are resized in part
_PILLOWS = {Filter.BILINEAR: Image.Resampling.BILINEAR, Filter.BICUBIC: Image.Resampling.BICUBIC}


def decode_rgb(data: bytes) -> np.ndarray:
    """Decode a file to uint8 (H, W, 3) RGB, alpha dropped, EXIF orientation ignored; ValueError if that fails."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            image.info.pop("transparency", None)  # dropped as alpha is; of a palette's Pillow would warn
            return np.array(_eight_bit(image).convert("RGB"))
    except UnidentifiedImageError as error:  # its own words name an object in memory
        raise ValueError("cannot decode the image: no decoder knows this kind of file") from error
    # Pillow's plug-ins let many exception types through on damaged files; all of them mean the same to the user.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot decode the image: {error}") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """Keep the high byte of 16-bit gray pixels: Pillow's own conversion would turn all above 255 white."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))


def crop_resize(image: np.ndarray, view: View, box: np.ndarray, flip: bool, kind: Filter) -> np.ndarray:
    """Cut `box` (top, left, height, width) out of (H, W, 3) and resize it to the (S, S, 3) square of `view`."""
    square = _train_square(image, view, box, kind) if view.train else _eval_square(image, view, kind)
    return np.ascontiguousarray(square[:, ::-1] if flip else square)


def _train_square(image: np.ndarray, view: View, box: np.ndarray, kind: Filter) -> np.ndarray:
    top, left, height, width = (int(value) for value in box)
    return resize(image[top : top + height, left : left + width], view.size, view.size, kind)


def _eval_square(image: np.ndarray, view: View, kind: Filter) -> np.ndarray:
    height, width, top, left = eval_geometry(view, image.shape[0], image.shape[1])
    if is_long(height, width):
        return long_square(image, view, kind)
    return resize(image, height, width, kind)[top : top + view.size, left : left + view.size]


def is_long(height: int, width: int) -> bool:
    """Tell whether an image of this size is too long to be resized whole for the square in its middle.

    One of 20000 x 10 px would become 512000 x 256, half a gigabyte.
    """
    return max(height, width) > _MAX_ASPECT * min(height, width)


def long_square(image: np.ndarray, view: View, kind: Filter) -> np.ndarray:
    """Return the eval view (S, S, 3) of a long image (H, W, 3), resizing only what it needs."""
    height, width, top, left = eval_geometry(view, image.shape[0], image.shape[1])
    if kind == Filter.PLAIN:
        columns = _sample(image.swapaxes(0, 1).astype(np.float32), width, left, view.size).swapaxes(0, 1)
        return np.rint(_sample(columns, height, top, view.size)).astype(np.uint8)
    down, across = image.shape[0] / height, image.shape[1] / width  # source pixels of one that is shown
    box = (left * across, top * down, (left + view.size) * across, (top + view.size) * down)
    source = Image.fromarray(np.ascontiguousarray(image))
    return np.array(source.resize((view.size, view.size), _PILLOWS[kind], box=box))


def resize(image: np.ndarray, height: int, width: int, kind: Filter) -> np.ndarray:
    """Resize uint8 (H, W, 3) with Pillow's filters, or by plain bilinear sampling."""
    if kind != Filter.PLAIN:
        source = Image.fromarray(np.ascontiguousarray(image))
        return np.array(source.resize((width, height), _PILLOWS[kind]))
    # Pillow's `resize` always antialiases and its `transform` cuts fractions off, half a gray level too dark.
    columns = _sample(image.swapaxes(0, 1).astype(np.float32), width, 0, width).swapaxes(0, 1)
    return np.rint(_sample(columns, height, 0, height)).astype(np.uint8)


def _sample(lines: np.ndarray, count: int, first: int, num: int) -> np.ndarray:
    """Interpolate linearly along axis 0; edge pixels are repeated.

    Of `count` pixel centers spread over all of it, `num` from the `first` on are sampled.
    """
    scale = len(lines) / count
    centers = np.clip((np.arange(first, first + num) + 0.5) * scale - 0.5, 0, len(lines) - 1)
    below = np.floor(centers).astype(np.int64)
    above = np.minimum(below + 1, len(lines) - 1)
    weight = (centers - below).astype(np.float32)[:, None, None]
    return lines[below] * (1 - weight) + lines[above] * weight
