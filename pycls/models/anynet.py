"""AnyNet: stem, stages of one block type, head (Radosavovic et al., arXiv 2003.13678, section 3.1).

RegNet and ResNet are AnyNets whose stages follow from a formula; their files only compute the stages.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.models.heads import ResHead
from pycls.models.layers.basic import Style, build_style, init_weights, stage_layers
from pycls.models.layers.blocks import BLOCKS, Stage
from pycls.models.layers.checks import check_im_size, check_stage_lists
from pycls.models.layers.residual import Chain
from pycls.models.layers.stems import STEMS, Stem, stem_layers
from pycls.models.lip import Pooling, zero_logits
from pycls.models.pooled_blocks import pick_pooling, pooled_block


class AnyNet(Chain):
    """`stem`, stages `s1` .. with blocks `b1` .., `head`: (N, 3, S, S) -> (N, K).

    `pooling` says what takes the place of strides and of the stem's max pool; `block` must know it, too.
    """

    def __init__(
        self,
        stem: Stem,
        stem_w: int,
        block: Callable[..., nn.Module],
        stages: Sequence[Stage],
        num_classes: int,
        head_w: int = 0,
        se_r: float = 0.0,
        style: Style | None = None,
        pooling: Pooling | None = None,
    ):
        super().__init__()
        style = style or Style()
        self.stem = stem_layers(stem, stem_w, style)
        if pooling and stem.max_pool:
            self.stem.pool = pooling.stem(stem_w)
        w_in = stem_w
        for i, stage in enumerate(stages, start=1):
            make_block = partial(block, stage=stage, se_r=se_r, style=style)
            self.add_module(f"s{i}", stage_layers(w_in, stage.width, stage.depth, stage.stride, make_block))
            w_in = stage.width
        self.head = ResHead(w_in, head_w, num_classes, style)
        init_weights(self)
        zero_logits(self)


def anynet_stages(
    depths: Sequence[int],
    widths: Sequence[int],
    strides: Sequence[int],
    bot_muls: Sequence[float],
    group_ws: Sequence[int],
) -> list[Stage]:
    """Zip per-stage lists; empty `bot_muls` means 1 everywhere, empty `group_ws` one group everywhere."""
    bot_muls = bot_muls or [1.0] * len(depths)
    group_ws = group_ws or [round(width * mul) for width, mul in zip(widths, bot_muls, strict=True)]
    return [Stage(*values) for values in zip(depths, widths, strides, bot_muls, group_ws, strict=True)]


def check_group_widths(stages: Sequence[Stage], key: str) -> None:
    """Raise ValueError naming `key` where a group width does not divide the bottleneck width."""
    for i, stage in enumerate(stages, start=1):
        if stage.group_w < 1 or stage.width_b < 1 or stage.width_b % stage.group_w:
            raise ValueError(
                f"{key}: group width {stage.group_w} of stage {i} does not divide its bottleneck width "
                f"{stage.width_b} (width {stage.width} x multiplier {stage.bot_mul})"
            )


def se_ratio(section: str, block_type: str, se_on: bool, se_r: float) -> float:
    """Return the squeeze-and-excitation ratio, 0 for none; ValueError for blocks that have no place for it."""
    if se_on and "bottleneck" not in block_type:
        raise ValueError(f"{section}.SE_ON: only bottleneck blocks have it, but {section}.BLOCK_TYPE is {block_type}")
    return se_r if se_on else 0.0


def build_anynet(cfg: CfgNode) -> AnyNet:
    """Build the network of the ANYNET keys: (N, 3, S, S) -> (N, K)."""
    keys = cfg.ANYNET
    stem = pick(STEMS, keys.STEM_TYPE, "ANYNET.STEM_TYPE")
    block = pick(BLOCKS, keys.BLOCK_TYPE, "ANYNET.BLOCK_TYPE")
    check_stage_lists("ANYNET", keys, required=("DEPTHS", "WIDTHS", "STRIDES"), optional=("BOT_MULS", "GROUP_WS"))
    stages = anynet_stages(keys.DEPTHS, keys.WIDTHS, keys.STRIDES, keys.BOT_MULS, keys.GROUP_WS)
    if "bottleneck" in keys.BLOCK_TYPE:
        check_group_widths(stages, "ANYNET.GROUP_WS")
    check_im_size(cfg.TRAIN.IM_SIZE, stem.stride * math.prod(keys.STRIDES))
    se_r = se_ratio("ANYNET", keys.BLOCK_TYPE, keys.SE_ON, keys.SE_R)
    style, pooling = build_style(cfg), pick_pooling(keys.POOL, "ANYNET.POOL")
    if pooling:
        block = pooled_block(block, pooling, "ANYNET.POOL")
    return AnyNet(stem, keys.STEM_W, block, stages, cfg.MODEL.NUM_CLASSES, keys.HEAD_W, se_r, style, pooling)
