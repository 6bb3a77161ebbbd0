"""Decode and resize with Pillow: the reference pixels, and the way out for files that a decoder cannot read faithfully.

Every backend decodes CMYK and YCCK JPEGs, palette, alpha and 16-bit PNGs, GIF, WebP, TIFF... with `decode_rgb`, so that
all of them have the same pixels.
"""

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from pycls.core.config.im_size import sides
from pycls.core.registry import first_line
from pycls.datasets.decoders.deep import UNKNOWN, read_unknown
from pycls.datasets.decoders.depth import SIXTEEN_BIT_WHITE, to_eight_bit
from pycls.datasets.decoders.limits import TooLarge
from pycls.datasets.decoders.png_chunks import without_texts
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, eval_geometry

_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # tag of TIFF
_BAND_ROWS = 1024
_MAX_ASPECT = 16  # longer images are resized in part
_PILLOWS = {Filter.BILINEAR: Image.Resampling.BILINEAR, Filter.BICUBIC: Image.Resampling.BICUBIC}


def decode_rgb(data: bytes) -> np.ndarray:
    """Decode a file to uint8 (H, W, 3) RGB, alpha dropped, EXIF orientation ignored; ValueError if that fails."""
    image = open_image(data)
    if image is None:
        return _unknown_rgb(data)
    with one_error(), image:
        image.load()
        image.info.pop("transparency", None)  # dropped as alpha is; of a palette's Pillow would warn
        return _in_bands(_eight_bit(image))


def _in_bands(image: Image.Image) -> np.ndarray:
    """Return uint8 (H, W, 3) of an image, some rows at a time: Pillow would hold a large one four times meanwhile."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, image.height)
        band = image if bottom - top == image.height else image.crop((0, top, image.width, bottom))
        pixels[top:bottom] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return pixels


def open_image(data: bytes) -> Image.Image | None:
    """Open a file, None for a kind that Pillow does not know; ValueError for one that it refuses."""
    with one_error():
        try:
            return Image.open(io.BytesIO(without_texts(data)))
        except UnidentifiedImageError:
            return None


def _unknown_rgb(data: bytes) -> np.ndarray:
    samples = to_eight_bit(read_unknown(data))
    return samples[..., :3] if samples.shape[2] > 1 else samples.repeat(3, axis=2)


def is_gray_deep(image: Image.Image) -> bool:
    """Tell whether an opened image is gray of 16 or 32 bits, or of floats."""
    return image.mode.startswith("I") or image.mode == "F"


def deep_samples(image: Image.Image) -> np.ndarray:
    """Return the samples (H, W) of an opened image for which `is_gray_deep`; the larger, the lighter.

    TIFF files may have it the other way round: of those Pillow turns the 8-bit ones only.
    """
    samples = np.asarray(image)
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(_PHOTOMETRIC) != _WHITE_IS_ZERO:
        return samples
    return (1 if image.mode == "F" else SIXTEEN_BIT_WHITE) - samples


@contextmanager
def one_error() -> Iterator[None]:
    """Turn whatever Pillow raises on a file that it cannot decode into a ValueError."""
    try:
        yield
    except UnidentifiedImageError as error:  # its own words name an object in memory
        raise ValueError(UNKNOWN) from error
    except TooLarge:
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge(str(error)) from error
    except MemoryError as error:  # what an image may need is limited: it is the machine's trouble
        raise OSError(errno.ENOMEM, "not enough memory to decode the image") from error
    # Pillow's plug-ins let any type of exception through on damaged files; all of them mean the same to the user.
    except Exception as error:
        raise ValueError(f"cannot decode the image: {first_line(error)}") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """Bring 16-bit and float gray pixels to 8 bits: Pillow's own conversion makes all above 255 white, 0 .. 1 black."""
    return Image.fromarray(to_eight_bit(deep_samples(image))) if is_gray_deep(image) else image


def crop_resize(image: np.ndarray, view: View, box: np.ndarray, flip: bool, kind: Filter) -> np.ndarray:
    """Cut `box` (top, left, height, width) out of (H, W, C) and resize it to the (S, S, C) square of `view`."""
    square = _train_square(image, view, box, kind) if view.crops_randomly else _eval_square(image, view, kind)
    return np.ascontiguousarray(square[:, ::-1] if flip else square)


def _train_square(image: np.ndarray, view: View, box: np.ndarray, kind: Filter) -> np.ndarray:
    top, left, height, width = (int(value) for value in box)
    return resize(image[top : top + height, left : left + width], *sides(view.size), kind)


def _eval_square(image: np.ndarray, view: View, kind: Filter) -> np.ndarray:
    height, width, top, left = eval_geometry(view, image.shape[0], image.shape[1])
    if is_long(height, width):
        return long_square(image, view, kind)
    view_h, view_w = sides(view.size)
    return resize(image, height, width, kind)[top : top + view_h, left : left + view_w]


def is_long(height: int, width: int) -> bool:
    """Tell whether an image of this size is too long to be resized whole for the square in its middle.

    One of 20000 x 10 px would become 512000 x 256, half a gigabyte.
    """
    return max(height, width) > _MAX_ASPECT * min(height, width)


def long_square(image: np.ndarray, view: View, kind: Filter) -> np.ndarray:
    """Return the eval view (S, S, C) of a long image (H, W, C), resizing only what it needs."""
    height, width, top, left = eval_geometry(view, image.shape[0], image.shape[1])
    view_h, view_w = sides(view.size)
    if kind == Filter.PLAIN:
        columns = _sample(image.swapaxes(0, 1).astype(np.float32), width, left, view_w).swapaxes(0, 1)
        return _as_before(_sample(columns, height, top, view_h), image)
    down, across = image.shape[0] / height, image.shape[1] / width  # source pixels of one that is shown
    box = (left * across, top * down, (left + view_w) * across, (top + view_h) * down)
    return _resize_part(image, view_h, view_w, kind, box)


def resize(image: np.ndarray, height: int, width: int, kind: Filter) -> np.ndarray:
    """Resize (H, W, C) with Pillow's filters, or by plain bilinear sampling."""
    if kind != Filter.PLAIN:
        return _resize_part(image, height, width, kind, None)
    # Pillow's `resize` always antialiases and its `transform` cuts fractions off, half a gray level too dark.
    columns = _sample(image.swapaxes(0, 1).astype(np.float32), width, 0, width).swapaxes(0, 1)
    return _as_before(_sample(columns, height, 0, height), image)


def _as_before(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Return float values as the numbers that an image is made of."""
    return np.rint(values).astype(np.uint8) if image.dtype == np.uint8 else values


def _resize_part(
    image: np.ndarray, height: int, width: int, kind: Filter, box: tuple[float, float, float, float] | None
) -> np.ndarray:
    """Resize the part `box` (left, top, right, bottom) of (H, W, C) with Pillow's filters, None: all of it.

    Each channel is resized for itself: Pillow would weigh the colors of RGBA with alpha.
    """
    if image.shape[2] == 3 and image.dtype == np.uint8:
        source = Image.fromarray(np.ascontiguousarray(image))
        return np.array(source.resize((width, height), _PILLOWS[kind], box=box))
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(image, 2, 0)]
    return np.stack([np.asarray(plane.resize((width, height), _PILLOWS[kind], box=box)) for plane in planes], axis=2)


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
