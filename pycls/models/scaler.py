"""Compound scaling of a network's depth, width, group width and resolution (Dollar et al., arXiv 2103.06877).

The rules are pycls's, without three of its surprises: what is not scaled is not rounded either; where groups keep their
width, a convolution of one group stays one; and the config that comes out does not ask to be scaled again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pycls.models.regnet import adjust_block_compatibility

MAX_FACTOR = 1000  # EfficientNet-B7 costs 95 times what B0 does
_PART = re.compile(r"([dwgr])(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Factors:
    """What to multiply each dimension with."""

    depth: float = 1.0
    width: float = 1.0
    group: float = 1.0
    resolution: float = 1.0


def scaling_factors(kind: str, factor: float) -> Factors:
    """Return the factors that multiply the multiply-adds by about `factor`.

    `kind` names the dimensions, "dwr", or weighs them, "d1_w8_g8_r1" (fast scaling): depth costs linearly, width and
    resolution to the square, groups follow the width. "" scales nothing. ValueError for other words.
    """
    if not 1 / MAX_FACTOR <= factor <= MAX_FACTOR:
        raise ValueError(f"MODEL.SCALING_FACTOR must lie between {1 / MAX_FACTOR:g} and {MAX_FACTOR}, got {factor:g}")
    weights = _weights(kind)
    d, w, g, r = (weights.get(name, 0.0) for name in "dwgr")
    total = d + w + r or g / 2 or 1.0
    return Factors(
        depth=factor ** (d / total),
        width=factor ** (w / (2 * total)),
        group=factor ** (g / (2 * total)),
        resolution=factor ** (r / (2 * total)),
    )


def _weights(kind: str) -> dict[str, float]:
    """Return {"d": 1.0, ...} of "dwr" or "d1_w8_g8_r1"."""
    parts = [f"{name}1" for name in kind] if kind.isalpha() else [part for part in kind.split("_") if kind]
    matches = [match for match in map(_PART.fullmatch, parts) if match]
    if len({match[1] for match in matches}) < len(parts):
        raise ValueError(
            f"MODEL.SCALING_TYPE: expected letters of d, w, g, r, each once, such as dwr, or with weights such as "
            f"d1_w8_g8_r1; got '{kind}'"
        )
    return {match[1]: float(match[2]) for match in matches}


def scale_depths(depths: Sequence[int], factor: float) -> list[int]:
    """Return whole numbers of blocks, at least one."""
    return [max(1, round(depth * factor)) for depth in depths]


def scale_width(width: int, factor: float) -> int:
    """Return a multiple of 8 channels, or `width` itself where the factor is 1."""
    return width if factor == 1 else max(1, round(width * factor / 8)) * 8


def scale_group(group_w: int, factor: float) -> int:
    """Return 1, 2, 4 or a multiple of 8 channels, or `group_w` itself where the factor is 1."""
    if factor == 1:
        return group_w
    scaled = max(1, round(group_w * factor))
    if scaled <= 2:
        return scaled
    return 4 if scaled <= 5 else round(scaled / 8) * 8


def scale_size(size_px: int, factor: float) -> int:
    """Return a multiple of 4 pixels, or `size_px` itself where the factor is 1."""
    return size_px if factor == 1 else max(1, round(size_px * factor / 4)) * 4


def scale_widths(
    widths: Sequence[int], bot_muls: Sequence[float], group_ws: Sequence[int], factors: Factors
) -> tuple[list[int], list[int]]:
    """Return (widths, group_ws) of bottleneck stages, widths moved to where the groups divide them."""
    if factors.width == factors.group == 1:
        return list(widths), list(group_ws)
    new_widths = [scale_width(width, factors.width) for width in widths]
    new_groups = []
    for width, new_width, bot_mul, group_w in zip(widths, new_widths, bot_muls, group_ws, strict=True):
        is_one_group = factors.group == 1 and group_w == round(width * bot_mul)
        new_groups.append(int(new_width * bot_mul) if is_one_group else scale_group(group_w, factors.group))
    new_widths, _, new_groups = adjust_block_compatibility(new_widths, bot_muls, new_groups)
    return new_widths, new_groups
