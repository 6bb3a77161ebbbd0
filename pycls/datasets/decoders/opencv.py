"""Decode with OpenCV, resize with torch: the custom backend without its C extension, and for what that leaves."""

import contextlib

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pycls.core.config.im_size import sides
from pycls.datasets.decoders import libjpeg_turbo, pillow
from pycls.datasets.decoders.bands import decode_pixels
from pycls.datasets.decoders.encoded import EncodedImage
from pycls.datasets.decoders.orientation import UPRIGHT, turn_upright
from pycls.datasets.decoders.png_chunks import without_notes
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, eval_geometry

_DECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def decode_rest(view: View, image: EncodedImage, out: np.ndarray) -> None:
    """Decode one image that the C extension leaves: damaged JPEGs with Pillow, all else as without the extension.

    Like `decode_crop` it writes uint8 (S, S, C).
    """
    if libjpeg_turbo.is_plain_jpeg(image.data, image.header) and image.header.orientation == UPRIGHT:
        _write(pillow.decode_rgb(image.data), view, image, out)
    else:
        decode_crop(view, image, out)


def decode_crop(view: View, image: EncodedImage, out: np.ndarray) -> None:
    """Decode, crop, resize and flip one image into `out`, (S, S, C) of the view's kind."""
    if view.is_plain:
        _write(decode(image.data, image.header.common), view, image, out)
    else:
        _write(decode_pixels(image.data, view.image_shape[2], view.full), view, image, out)


def decode(data: bytes, common: bool) -> np.ndarray:
    """Decode one file to uint8 (H, W, 3) RGB; what OpenCV cannot read faithfully, or at all, goes to Pillow."""
    image = None
    if common:
        with contextlib.suppress(cv2.error):  # too many pixels for it, perhaps; Pillow decides
            image = cv2.imdecode(np.frombuffer(without_notes(data), np.uint8), _DECODE_FLAGS)
    return pillow.decode_rgb(data) if image is None else image


def _write(pixels: np.ndarray, view: View, image: EncodedImage, out: np.ndarray) -> None:
    """Write the view of a decoded image (H, W, C) into `out`, uint8 (S, S, C)."""
    square = _cut(turn_upright(pixels, image.header.orientation), view, image)
    if image.flip:
        cv2.flip(square, 1, dst=out)
    else:
        np.copyto(out, square)


def _cut(pixels: np.ndarray, view: View, image: EncodedImage) -> np.ndarray:
    """Return the (S, S, C) square of a decoded image, not yet flipped."""
    if view.crops_randomly:
        top, left, height, width = (int(value) for value in image.box)
        return resize(pixels[top : top + height, left : left + width], *sides(view.size), image.filter)
    height, width, top, left = eval_geometry(view, pixels.shape[0], pixels.shape[1])
    if pillow.is_long(height, width):
        return pillow.long_square(pixels, view, image.filter)
    view_h, view_w = sides(view.size)
    return resize(pixels, height, width, image.filter)[top : top + view_h, left : left + view_w]


def resize(image: np.ndarray, height: int, width: int, kind: Filter) -> np.ndarray:
    """Resize uint8 (H, W, C): torch's antialiased kernels equal Pillow's, OpenCV's is plain bilinear."""
    if kind == Filter.PLAIN:
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    # Dense (1, H, W, 3) memory seen as (1, 3, H, W): torch then writes its result the same way. A crop with gaps
    # between its rows, or a batch dimension added last, would become planes, and all of it twice as slow.
    batch = torch.from_numpy(np.ascontiguousarray(image))[None].permute(0, 3, 1, 2)
    return F.interpolate(batch, (height, width), mode=kind.name.lower(), antialias=True)[0].permute(1, 2, 0).numpy()
