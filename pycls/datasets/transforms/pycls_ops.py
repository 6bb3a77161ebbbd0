"""pycls's own augmentation operators with their ranges; warps are bilinear, what they uncover is gray, unless told.

A magnitude from 0 to 1 goes from the lower to the upper end of an operator's range.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from PIL import Image, ImageEnhance, ImageOps

Resampling = Image.Resampling
Color = tuple[int, int, int]  # RGB, 0 to 255

BILINEAR = Resampling.BILINEAR
GRAY = (128, 128, 128)
FEWEST_BITS = 1


def auto_contrast(image: Image.Image, value: float) -> Image.Image:
    """Stretch each channel to the whole range."""
    return ImageOps.autocontrast(image)


def equalize(image: Image.Image, value: float) -> Image.Image:
    """Make each channel's histogram flat."""
    return ImageOps.equalize(image)


def invert(image: Image.Image, value: float) -> Image.Image:
    """Take the negative."""
    return ImageOps.invert(image)


def rotate(image: Image.Image, value: float, resample: Resampling = BILINEAR, fill: Color = GRAY) -> Image.Image:
    """Turn by degrees, counter-clockwise."""
    return image.rotate(value, resample, fillcolor=fill)


def posterize(image: Image.Image, value: float) -> Image.Image:
    """Keep the highest bits: fewer, the smaller the value."""
    return ImageOps.posterize(image, max(FEWEST_BITS, int(value)))


def posterize_inc(image: Image.Image, value: float) -> Image.Image:
    """Keep the highest bits: fewer, the greater the value."""
    return posterize(image, 4 - int(value))


def solarize(image: Image.Image, value: float) -> Image.Image:
    """Invert the levels from the value up."""
    return _map_levels(image, (level if level < int(value) else 255 - level for level in range(256)))


def solarize_inc(image: Image.Image, value: float) -> Image.Image:
    """Invert the levels from 256 - value up."""
    return _map_levels(image, (level if level < 256 - value else 255 - level for level in range(256)))


def solarize_add(image: Image.Image, value: float) -> Image.Image:
    """Add the value to the dark half of the levels; Pillow rounds the sum."""
    return _map_levels(image, (min(255.0, level + value) if level < 128 else level for level in range(256)))


def _map_levels(image: Image.Image, levels: Iterable[float]) -> Image.Image:
    return image.point(list(levels) * 3)


def enhance(image: Image.Image, value: float, kind: Callable, offset: float) -> Image.Image:
    """Apply one of Pillow's enhancers with the factor `offset` + value; 1 changes nothing."""
    return kind(image).enhance(offset + value)


def shear_x(image: Image.Image, value: float, resample: Resampling = BILINEAR, fill: Color = GRAY) -> Image.Image:
    """Shift each row by `value` pixels more than the one above."""
    return _warp(image, (1, value, 0, 0, 1, 0), resample, fill)


def shear_y(image: Image.Image, value: float, resample: Resampling = BILINEAR, fill: Color = GRAY) -> Image.Image:
    """Shift each column by `value` pixels more than the one to its left."""
    return _warp(image, (1, 0, 0, value, 1, 0), resample, fill)


def trans_x(image: Image.Image, value: float, resample: Resampling = BILINEAR, fill: Color = GRAY) -> Image.Image:
    """Move left by a part of the width."""
    return _warp(image, (1, 0, value * image.width, 0, 1, 0), resample, fill)


def trans_y(image: Image.Image, value: float, resample: Resampling = BILINEAR, fill: Color = GRAY) -> Image.Image:
    """Move up by a part of the height."""
    return _warp(image, (1, 0, 0, 0, 1, value * image.height), resample, fill)


def _warp(image: Image.Image, matrix: tuple[float, ...], resample: Resampling, fill: Color) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample, fillcolor=fill)


class RangedOp(NamedTuple):
    """What an operator does, and the values that magnitudes 0 and 1 stand for."""

    apply: Callable[..., Image.Image]  # of an image and a value; warps also take `resample` and `fill`
    low: float
    high: float
    signed: bool = False  # the value is negated half the time

    def value(self, magnitude: float) -> float:
        """Return the value of a magnitude from 0 to 1."""
        return self.low + magnitude * (self.high - self.low)


_color = partial(enhance, kind=ImageEnhance.Color)
_contrast = partial(enhance, kind=ImageEnhance.Contrast)
_brightness = partial(enhance, kind=ImageEnhance.Brightness)
_sharpness = partial(enhance, kind=ImageEnhance.Sharpness)

OPERATORS = {
    "auto_contrast": RangedOp(auto_contrast, 0, 1),
    "equalize": RangedOp(equalize, 0, 1),
    "invert": RangedOp(invert, 0, 1),
    "rotate": RangedOp(rotate, 0, 30, signed=True),
    "posterize": RangedOp(posterize, 0, 4),
    "posterize_inc": RangedOp(posterize_inc, 0, 4),
    "solarize": RangedOp(solarize, 0, 256),
    "solarize_inc": RangedOp(solarize_inc, 0, 256),
    "solarize_add": RangedOp(solarize_add, 0, 110),
    "color": RangedOp(partial(_color, offset=0), 0.1, 1.9),
    "contrast": RangedOp(partial(_contrast, offset=0), 0.1, 1.9),
    "brightness": RangedOp(partial(_brightness, offset=0), 0.1, 1.9),
    "sharpness": RangedOp(partial(_sharpness, offset=0), 0.1, 1.9),
    "color_inc": RangedOp(partial(_color, offset=1), 0, 0.9, signed=True),
    "contrast_inc": RangedOp(partial(_contrast, offset=1), 0, 0.9, signed=True),
    "brightness_inc": RangedOp(partial(_brightness, offset=1), 0, 0.9, signed=True),
    "sharpness_inc": RangedOp(partial(_sharpness, offset=1), 0, 0.9, signed=True),
    "shear_x": RangedOp(shear_x, 0.0, 0.3, signed=True),
    "shear_y": RangedOp(shear_y, 0.0, 0.3, signed=True),
    "trans_x": RangedOp(trans_x, 0.0, 0.45, signed=True),
    "trans_y": RangedOp(trans_y, 0.0, 0.45, signed=True),
}
OPS = {name: operator.apply for name, operator in OPERATORS.items()}
