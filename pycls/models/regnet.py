"""RegNet: an AnyNet whose widths and depths follow from four numbers (Radosavovic et al., arXiv 2003.13678)."""

import math
from collections.abc import Sequence

import numpy as np
from yacs.config import CfgNode

from pycls.core.config.keys.shapes import WIDEST
from pycls.core.registry import pick
from pycls.models.anynet import AnyNet, anynet_stages, check_group_widths, se_ratio
from pycls.models.layers.basic import build_style
from pycls.models.layers.blocks import BLOCKS
from pycls.models.layers.checks import check_im_size
from pycls.models.layers.stems import STEMS


def block_widths(w_a: float, w_0: int, w_m: float, depth: int, multiple: int = 8) -> list[int]:
    """Return the width of each of `depth` blocks (section 3.3, equations 2 to 4).

    The line w_0 + w_a * i is quantized to w_0 * w_m^k with whole k, then to a multiple of `multiple` channels.
    Raises ValueError for numbers that give no such line.
    """
    check_parameters(w_a, w_0, w_m, depth, multiple)
    line = w_0 + w_a * np.arange(depth)
    exponents = np.round(np.log(line / w_0) / np.log(w_m))
    widths = w_0 * np.power(w_m, exponents)
    if widths.max() > WIDEST:
        raise ValueError(
            f"REGNET.WA {w_a:g}, W0 {w_0}, WM {w_m:g} and DEPTH {depth} give blocks of {widths.max():,.0f} channels; "
            f"expected at most {WIDEST:,}"
        )
    return (np.round(widths / multiple).astype(int) * multiple).tolist()


def generate_regnet(w_a: float, w_0: int, w_m: float, depth: int, multiple: int = 8) -> tuple[list[int], list[int]]:
    """Return (widths, depths) of the stages: runs of blocks of equal width."""
    widths, depths = np.unique(block_widths(w_a, w_0, w_m, depth, multiple), return_counts=True)
    return widths.tolist(), depths.tolist()


def check_parameters(w_a: float, w_0: int, w_m: float, depth: int, multiple: int) -> None:
    """Raise ValueError naming the REGNET key that is out of range."""
    if w_a < 0:
        raise ValueError(f"REGNET.WA: expected a slope of 0 or more, got {w_a}")
    if w_0 <= 0 or w_0 % multiple:
        near = max(multiple, round(w_0 / multiple) * multiple)
        raise ValueError(f"REGNET.W0: expected a positive multiple of {multiple}, got {w_0} (nearest: {near})")
    if w_m <= 1:
        raise ValueError(f"REGNET.WM: expected a quantization step above 1, got {w_m}")
    if depth < 1:
        raise ValueError(f"REGNET.DEPTH: expected 1 block or more, got {depth}")


def adjust_block_compatibility(
    widths: Sequence[int], bot_muls: Sequence[float], group_ws: Sequence[int]
) -> tuple[list[int], list[float], list[int]]:
    """Return (widths, bot_muls, group_ws), changed as little as needed for groups to divide bottleneck widths.

    Raises ValueError for a multiplier above 1 that is not whole, for it could not keep widths whole.
    """
    adjusted = [_adjust(*stage) for stage in zip(widths, bot_muls, group_ws, strict=True)]
    return [w for w, _ in adjusted], list(bot_muls), [g for _, g in adjusted]


def _adjust(width: int, bot_mul: float, group_w: int) -> tuple[int, int]:
    """Return the (width, group width) of one stage."""
    if bot_mul <= 0 or (bot_mul > 1 and bot_mul != int(bot_mul)):
        raise ValueError(f"REGNET.BOT_MUL: expected a positive number up to 1 or a whole number, got {bot_mul}")
    width_b = int(max(1, width * bot_mul))
    group_w = min(group_w, width_b)
    step = math.lcm(group_w, int(bot_mul)) if bot_mul > 1 else group_w
    width_b = max(step, round(width_b / step) * step)
    return int(width_b / bot_mul), group_w


def regnet_stages(
    w_a: float, w_0: int, w_m: float, depth: int, bot_mul: float, group_w: int
) -> tuple[list[int], list[int], list[float], list[int]]:
    """Return (depths, widths, bot_muls, group_ws) of the stages."""
    widths, depths = generate_regnet(w_a, w_0, w_m, depth)
    count = len(widths)
    widths, bot_muls, group_ws = adjust_block_compatibility(widths, [bot_mul] * count, [group_w] * count)
    return depths, widths, bot_muls, group_ws


def build_regnet(cfg: CfgNode) -> AnyNet:
    """Build the network of the REGNET keys: (N, 3, S, S) -> (N, K)."""
    keys = cfg.REGNET
    stem = pick(STEMS, keys.STEM_TYPE, "REGNET.STEM_TYPE")
    block = pick(BLOCKS, keys.BLOCK_TYPE, "REGNET.BLOCK_TYPE")
    numbers = (keys.WA, keys.W0, keys.WM, keys.DEPTH, keys.BOT_MUL, keys.GROUP_W)
    depths, widths, muls, groups = regnet_stages(*numbers)
    num_stages = len(depths)
    stages = anynet_stages(depths, widths, [keys.STRIDE] * num_stages, muls, groups)
    check_group_widths(stages, "REGNET.GROUP_W")
    check_im_size(cfg.TRAIN.IM_SIZE, stem.stride * keys.STRIDE**num_stages)
    se_r = se_ratio("REGNET", keys.BLOCK_TYPE, keys.SE_ON, keys.SE_R)
    style = build_style(cfg)
    return AnyNet(stem, keys.STEM_W, block, stages, cfg.MODEL.NUM_CLASSES, keys.HEAD_W, se_r, style)
