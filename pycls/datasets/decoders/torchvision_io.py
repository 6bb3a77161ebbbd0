"""Decode, crop and resize with torchvision: the torch backend's pixels."""

import numpy as np
import torch
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms.v2 import functional as tv

from pycls.core.config.im_size import sides
from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.bands import decode_pixels
from pycls.datasets.decoders.encoded import EncodedImage
from pycls.datasets.decoders.image_header import JPEG_SIGNATURE
from pycls.datasets.decoders.orientation import turn_upright
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, eval_geometry


def decode_crop(view: View, image: EncodedImage, out: np.ndarray) -> None:
    """Decode, crop, resize and flip one image into `out`, (S, S, C) of the view's kind."""
    square = _cut(_upright(_decode_view(view, image), image.header.orientation), view, image)
    square = tv.horizontal_flip(square) if image.flip else square
    torch.from_numpy(out).copy_(square.permute(1, 2, 0))


def _decode_view(view: View, image: EncodedImage) -> torch.Tensor:
    """Decode as many channels as are shown, (C, H, W)."""
    if view.is_plain:
        return decode(image.data, image.header.common)
    return torch.from_numpy(decode_pixels(image.data, view.image_shape[2], view.full)).permute(2, 0, 1)


def decode(data: bytes, common: bool) -> torch.Tensor:
    """Decode one file to uint8 (3, H, W) RGB; what torchvision cannot read faithfully, or at all, goes to Pillow."""
    if common and data.startswith(JPEG_SIGNATURE):  # torchvision's PNG decoder crashes the process on damaged files
        try:
            return decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
        except RuntimeError:  # Pillow decides, and says what is wrong
            pass
    return torch.from_numpy(pillow.decode_rgb(data)).permute(2, 0, 1)


def _upright(pixels: torch.Tensor, orientation: int) -> torch.Tensor:
    """Turn pixels (C, H, W) as EXIF asks for."""
    return torch.from_numpy(turn_upright(pixels.permute(1, 2, 0).numpy(), orientation)).permute(2, 0, 1)


def _cut(pixels: torch.Tensor, view: View, image: EncodedImage) -> torch.Tensor:
    """Return the (C, S, S) square of a decoded image, not yet flipped."""
    if view.crops_randomly:
        top, left, height, width = (int(value) for value in image.box)
        return _resize(tv.crop(pixels, top, left, height, width), *sides(view.size), image.filter)
    height, width, top, left = eval_geometry(view, pixels.shape[1], pixels.shape[2])
    if pillow.is_long(height, width):
        square = pillow.long_square(pixels.permute(1, 2, 0).numpy(), view, image.filter)
        return torch.from_numpy(square).permute(2, 0, 1)
    return tv.crop(_resize(pixels, height, width, image.filter), top, left, *sides(view.size))


def _resize(image: torch.Tensor, height: int, width: int, kind: Filter) -> torch.Tensor:
    # Dense (1, H, W, 3) memory seen as (1, 3, H, W) keeps torchvision on its fast path. A crop with gaps between its
    # rows would become planes, twice as slow.
    dense = image.permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)
    mode = tv.InterpolationMode.BICUBIC if kind == Filter.BICUBIC else tv.InterpolationMode.BILINEAR
    return tv.resize(dense, [height, width], mode, antialias=kind != Filter.PLAIN)[0]
