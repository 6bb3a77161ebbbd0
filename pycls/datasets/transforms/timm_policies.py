"""timm's RandAugment with operators that grow with the magnitude, as in its "rand-m7-mstd0.5-inc1".

RandAugment: Cubuk et al. 2020. The noise on the magnitude and the filter drawn for each warp are timm's
(github.com/huggingface/pytorch-image-models, timm/data/auto_augment.py), used by "ResNet strikes back". The operators
are pycls's, but for what warps uncover, their filter, and whole numbers.
"""

from functools import partial
from statistics import NormalDist
from typing import NamedTuple

from PIL import Image
from yacs.config import CfgNode

from pycls.core.config.augment_spec import AugmentName
from pycls.datasets.info import color_scale
from pycls.datasets.transforms.policy import Choice
from pycls.datasets.transforms.pycls_ops import OPERATORS, Color, RangedOp, solarize_add
from pycls.datasets.transforms.pycls_policies import RAND_OPS

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
MOST = 10.0  # magnitudes go from 0 to this
DEFAULT_PROB = 0.5  # of each operation, where P is not written
SMALLEST_DRAW = 2.0**-54  # stands for a uniform draw of 0, where the normal law has no value
WARPS = ("rotate", "shear_x", "shear_y", "trans_x", "trans_y")


def solarize_add_whole(image: Image.Image, value: float) -> Image.Image:
    """Add the whole part of the value to the dark half of the levels."""
    return solarize_add(image, int(value))


def build_operators(fill: Color) -> dict[str, RangedOp]:
    """Return the operators by name, warps once for each filter ("rotate_bicubic"); `fill` is what they uncover.

    Magnitude 10 is the upper end of the range. `posterize_inc` keeps at least one bit; timm asks for none at magnitude
    10 itself, which today's Pillow refuses.
    """
    ops = {name: OPERATORS[name] for name in RAND_OPS if name not in WARPS}
    ops["solarize_add"] = ops["solarize_add"]._replace(apply=solarize_add_whole)
    for filter_name, resample in FILTERS.items():
        for name in WARPS:
            warp = partial(OPERATORS[name].apply, resample=resample, fill=fill)
            ops[f"{name}_{filter_name}"] = OPERATORS[name]._replace(apply=warp)
    return ops


class NoisyOp(NamedTuple):
    """An operation that may be drawn: its magnitude follows a normal law, cut off at 0 and 10."""

    name: str
    operator: RangedOp
    magnitude: float  # mean of the normal law
    std: float
    prob: float  # that the operation is done at all

    def level(self, which: float) -> float:
        """Return the magnitude, 0 to 10, that a uniform number chooses."""
        noise = NormalDist().inv_cdf(max(which, SMALLEST_DRAW))
        return min(max(self.magnitude + self.std * noise, 0.0), MOST)

    def value(self, which: float, sign: float) -> float:
        """Return the operator's value that two uniform numbers choose."""
        value = self.operator.value(self.level(which) / MOST)
        return -value if self.operator.signed and sign < 0.5 else value


def build_rand_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return timm's RandAugment; M and S are numbers from 0 to 10 (ValueError otherwise).

    Every operation stands in the table once for each filter, so that one draw chooses both, evenly.
    """
    if name.magnitude > MOST:
        raise ValueError(
            f"TRAIN.AUGMENT: timm's RandAugment takes a number from 0 to {MOST:g} as M, got {name.magnitude:g}; "
            f"write M{MOST:g}, or set TRAIN.AUGMENT_OPS torchvision, whose M goes from 0 to 30"
        )
    std = 0.0 if name.std is None else name.std
    if std > MOST:
        raise ValueError(
            f"TRAIN.AUGMENT: timm's RandAugment takes a standard deviation from 0 to {MOST:g} as S, on M's scale, got "
            f"{std:g}; write S{MOST:g}"
        )
    operators = build_operators(_as_color(color_scale(cfg, "train")[0]))
    prob = DEFAULT_PROB if name.prob is None else name.prob
    names = [f"{op}_{filter_name}" if op in WARPS else op for filter_name in FILTERS for op in RAND_OPS]
    programs = tuple((NoisyOp(op, operators[op], name.magnitude, std, prob),) for op in names)
    return Choice({op: operator.apply for op, operator in operators.items()}, programs, num_picks=name.num_ops)


def _as_color(mean: tuple[float, ...]) -> Color:
    """Return the mean that pixels are normalized with, 0..1 (of RGB, or of gray), as a color: what a warp uncovers."""
    red, green, blue = (round(255 * part) for part in (mean if len(mean) == 3 else mean * 3))
    return red, green, blue


POLICIES = {"RandAugment": build_rand_augment}
