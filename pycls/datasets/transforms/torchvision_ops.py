"""torchvision's augmentation operators by the names of its policies: (image, value) -> image, nothing drawn here.

The image is RGB, a Pillow image or a uint8 tensor (1, 3, H, W); what a warp uncovers is black.
"""

import math
from functools import partial

from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from pycls.datasets.transforms.policy import Operator, Pixels


def identity(image: Pixels, value: float) -> Pixels:
    """Change nothing."""
    return image


def shear_x(image: Pixels, value: float, mode: InterpolationMode) -> Pixels:
    """Shift each row by `value` pixels more than the one above."""
    return _affine(image, mode, shear=[math.degrees(math.atan(value)), 0.0], center=[0.0, 0.0])


def shear_y(image: Pixels, value: float, mode: InterpolationMode) -> Pixels:
    """Shift each column by `value` pixels more than the one to its left."""
    return _affine(image, mode, shear=[0.0, math.degrees(math.atan(value))], center=[0.0, 0.0])


def translate_x(image: Pixels, value: float, mode: InterpolationMode) -> Pixels:
    """Move right by whole pixels."""
    return _affine(image, mode, translate=[int(value), 0])


def translate_y(image: Pixels, value: float, mode: InterpolationMode) -> Pixels:
    """Move down by whole pixels."""
    return _affine(image, mode, translate=[0, int(value)])


def _affine(
    image: Pixels,
    mode: InterpolationMode,
    translate: tuple[int, int] | list[int] = (0, 0),
    shear: tuple[float, float] | list[float] = (0.0, 0.0),
    center: list[float] | None = None,
) -> Pixels:
    return tv.affine(
        image, angle=0.0, translate=list(translate), scale=1.0, shear=list(shear), interpolation=mode, center=center
    )


def rotate(image: Pixels, value: float, mode: InterpolationMode) -> Pixels:
    """Turn by degrees, counter-clockwise."""
    return tv.rotate(image, angle=value, interpolation=mode)


def brightness(image: Pixels, value: float) -> Pixels:
    """Enhance by 1 + value."""
    return tv.adjust_brightness(image, 1.0 + value)


def color(image: Pixels, value: float) -> Pixels:
    """Enhance the saturation by 1 + value."""
    return tv.adjust_saturation(image, 1.0 + value)


def contrast(image: Pixels, value: float) -> Pixels:
    """Enhance by 1 + value."""
    return tv.adjust_contrast(image, 1.0 + value)


def sharpness(image: Pixels, value: float) -> Pixels:
    """Enhance by 1 + value."""
    return tv.adjust_sharpness(image, 1.0 + value)


def posterize(image: Pixels, value: float) -> Pixels:
    """Keep the highest bits, `value` of them."""
    return tv.posterize(image, int(value))


def solarize(image: Pixels, value: float) -> Pixels:
    """Invert levels from the threshold up; it is given as a part of white."""
    return tv.solarize(image, 255.0 * value)


def auto_contrast(image: Pixels, value: float) -> Pixels:
    """Stretch each channel to the whole range."""
    return tv.autocontrast(image)


def equalize(image: Pixels, value: float) -> Pixels:
    """Make each channel's histogram flat."""
    return tv.equalize(image)


def invert(image: Pixels, value: float) -> Pixels:
    """Take the negative."""
    return tv.invert(image)


def _operators(mode: InterpolationMode) -> dict[str, Operator]:
    return {
        "Identity": identity,
        "ShearX": partial(shear_x, mode=mode),
        "ShearY": partial(shear_y, mode=mode),
        "TranslateX": partial(translate_x, mode=mode),
        "TranslateY": partial(translate_y, mode=mode),
        "Rotate": partial(rotate, mode=mode),
        "Brightness": brightness,
        "Color": color,
        "Contrast": contrast,
        "Sharpness": sharpness,
        "Posterize": posterize,
        "Solarize": solarize,
        "AutoContrast": auto_contrast,
        "Equalize": equalize,
        "Invert": invert,
    }


OPS = _operators(InterpolationMode.NEAREST)
SMOOTH_OPS = _operators(InterpolationMode.BILINEAR)  # AugMix
OPS_BY_FILTER = {"nearest": OPS, "bilinear": SMOOTH_OPS}  # by TRAIN.AUGMENT_INTERPOLATION
