"""timm's "increasing" augmentation operators: pycls's, but for what warps uncover, their filter, and whole numbers."""

from functools import partial

from PIL import Image

from pycls.datasets.transforms.pycls_policies import RAND_OPS
from pycls.datasets.transforms.pycls_ops import OPERATORS, Colour, RangedOp, solarize_add

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
WARPS = ("rotate", "shear_x", "shear_y", "trans_x", "trans_y")


def solarize_add_whole(image: Image.Image, value: float) -> Image.Image:
    """Add the whole part of the value to the dark half of the levels."""
    return solarize_add(image, int(value))


def build_operators(fill: Colour) -> dict[str, RangedOp]:
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
