"""pycls's own augmentation: its operators, their ranges, and its AutoAugment and RandAugment.

A magnitude from 0 to 1 goes from the lower to the upper end of an operator's range. Warps are bilinear on grey. Its
AutoAugment is the policy "v0" of TensorFlow's EfficientNet, not the one of the paper.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from PIL import Image, ImageEnhance, ImageOps

from pycls.core.augment_name import AugmentName
from pycls.datasets.augment_draw import Choice, Op

GREY = (128, 128, 128)
FEWEST_BITS = 1

# ---- operators: (image, value) -> image


def auto_contrast(image: Image.Image, value: float) -> Image.Image:
    """Stretch each channel to the whole range."""
    return ImageOps.autocontrast(image)


def equalize(image: Image.Image, value: float) -> Image.Image:
    """Make each channel's histogram flat."""
    return ImageOps.equalize(image)


def invert(image: Image.Image, value: float) -> Image.Image:
    """Take the negative."""
    return ImageOps.invert(image)


def rotate(image: Image.Image, value: float) -> Image.Image:
    """Turn by degrees, counter-clockwise."""
    return image.rotate(value, Image.Resampling.BILINEAR, fillcolor=GREY)


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


def shear_x(image: Image.Image, value: float) -> Image.Image:
    """Shift each row by `value` pixels more than the one above."""
    return _warp(image, (1, value, 0, 0, 1, 0))


def shear_y(image: Image.Image, value: float) -> Image.Image:
    """Shift each column by `value` pixels more than the one to its left."""
    return _warp(image, (1, 0, 0, value, 1, 0))


def trans_x(image: Image.Image, value: float) -> Image.Image:
    """Move left by a part of the width."""
    return _warp(image, (1, 0, value * image.width, 0, 1, 0))


def trans_y(image: Image.Image, value: float) -> Image.Image:
    """Move up by a part of the height."""
    return _warp(image, (1, 0, 0, 0, 1, value * image.height))


def _warp(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=GREY)


class Operator(NamedTuple):
    """What an operator does, and the values that magnitudes 0 and 1 stand for."""

    apply: Callable[[Image.Image, float], Image.Image]
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
    "auto_contrast": Operator(auto_contrast, 0, 1),
    "equalize": Operator(equalize, 0, 1),
    "invert": Operator(invert, 0, 1),
    "rotate": Operator(rotate, 0, 30, signed=True),
    "posterize": Operator(posterize, 0, 4),
    "posterize_inc": Operator(posterize_inc, 0, 4),
    "solarize": Operator(solarize, 0, 256),
    "solarize_inc": Operator(solarize_inc, 0, 256),
    "solarize_add": Operator(solarize_add, 0, 110),
    "color": Operator(partial(_color, offset=0), 0.1, 1.9),
    "contrast": Operator(partial(_contrast, offset=0), 0.1, 1.9),
    "brightness": Operator(partial(_brightness, offset=0), 0.1, 1.9),
    "sharpness": Operator(partial(_sharpness, offset=0), 0.1, 1.9),
    "color_inc": Operator(partial(_color, offset=1), 0, 0.9, signed=True),
    "contrast_inc": Operator(partial(_contrast, offset=1), 0, 0.9, signed=True),
    "brightness_inc": Operator(partial(_brightness, offset=1), 0, 0.9, signed=True),
    "sharpness_inc": Operator(partial(_sharpness, offset=1), 0, 0.9, signed=True),
    "shear_x": Operator(shear_x, 0.0, 0.3, signed=True),
    "shear_y": Operator(shear_y, 0.0, 0.3, signed=True),
    "trans_x": Operator(trans_x, 0.0, 0.45, signed=True),
    "trans_y": Operator(trans_y, 0.0, 0.45, signed=True),
}
OPS = {name: operator.apply for name, operator in OPERATORS.items()}


def apply_op(name: str, image: Image.Image, magnitude: float, negate: bool = False) -> Image.Image:
    """Apply one operator by name with a magnitude from 0 to 1; `negate` takes the other direction of a signed one."""
    operator = OPERATORS[name]
    value = operator.value(magnitude)
    return operator.apply(image, -value if negate and operator.signed else value)


# ---- policies


def build_auto_augment(name: AugmentName, size: int, dataset: str) -> Choice:
    """Return pycls's AutoAugment; it has one policy."""
    return Choice(OPS, tuple(tuple(_op(*operation) for operation in pair) for pair in AUTO_POLICY))


def build_rand_augment(name: AugmentName, size: int, dataset: str) -> Choice:
    """Return pycls's RandAugment; M is a number from 0 to 1 (ValueError otherwise)."""
    if name.magnitude > 1:
        raise ValueError(
            f"TRAIN.AUGMENT: pycls's RandAugment takes a number from 0 to 1 as M, got {name.magnitude:g}; "
            f"write M{min(name.magnitude / 30, 1):.2g}, or set TRAIN.AUGMENT_OPS torchvision, whose M goes from 0 to 30"
        )
    programs = tuple((_op(op, name.prob, name.magnitude),) for op in RAND_OPS)
    return Choice(OPS, programs, num_picks=name.num_ops)


def _op(name: str, prob: float, magnitude: float) -> Op:
    operator = OPERATORS[name]
    return Op(name, (operator.value(magnitude),), operator.signed, prob)


RAND_OPS = (
    "auto_contrast",
    "equalize",
    "invert",
    "rotate",
    "posterize_inc",
    "solarize_inc",
    "solarize_add",
    "color_inc",
    "contrast_inc",
    "brightness_inc",
    "sharpness_inc",
    "shear_x",
    "shear_y",
    "trans_x",
    "trans_y",
)

# Pairs of (operation, probability, magnitude).
AUTO_POLICY = (
    (("equalize", 0.8, 0.1), ("shear_y", 0.8, 0.4)),
    (("color", 0.4, 0.9), ("equalize", 0.6, 0.3)),
    (("color", 0.4, 0.1), ("rotate", 0.6, 0.8)),
    (("solarize", 0.8, 0.3), ("equalize", 0.4, 0.7)),
    (("solarize", 0.4, 0.2), ("solarize", 0.6, 0.2)),
    (("color", 0.2, 0.0), ("equalize", 0.8, 0.8)),
    (("equalize", 0.4, 0.8), ("solarize_add", 0.8, 0.3)),
    (("shear_x", 0.2, 0.9), ("rotate", 0.6, 0.8)),
    (("color", 0.6, 0.1), ("equalize", 1.0, 0.2)),
    (("invert", 0.4, 0.9), ("rotate", 0.6, 0.0)),
    (("equalize", 1.0, 0.9), ("shear_y", 0.6, 0.3)),
    (("color", 0.4, 0.7), ("equalize", 0.6, 0.0)),
    (("posterize", 0.4, 0.6), ("auto_contrast", 0.4, 0.7)),
    (("solarize", 0.6, 0.8), ("color", 0.6, 0.9)),
    (("solarize", 0.2, 0.4), ("rotate", 0.8, 0.9)),
    (("rotate", 1.0, 0.7), ("trans_y", 0.8, 0.9)),
    (("shear_x", 0.0, 0.0), ("solarize", 0.8, 0.4)),
    (("shear_y", 0.8, 0.0), ("color", 0.6, 0.4)),
    (("color", 1.0, 0.0), ("rotate", 0.6, 0.2)),
    (("equalize", 0.8, 0.4), ("equalize", 0.0, 0.8)),
    (("equalize", 1.0, 0.4), ("auto_contrast", 0.6, 0.2)),
    (("shear_y", 0.4, 0.7), ("solarize_add", 0.6, 0.7)),
    (("posterize", 0.8, 0.2), ("solarize", 0.6, 1.0)),
    (("solarize", 0.6, 0.8), ("equalize", 0.6, 0.1)),
    (("color", 0.8, 0.6), ("rotate", 0.4, 0.5)),
)

POLICIES = {"AutoAugment": build_auto_augment, "RandAugment": build_rand_augment}
