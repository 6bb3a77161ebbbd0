"""AnyNet: stem, stages of one block type, head (Radosavovic et al., arXiv 2003.13678, section 3.1).

RegNet and ResNet are AnyNets whose stages follow from a formula; their files only compute the stages. With a pooling,
blocks pool where they would stride, as LIP-ResNet's (arXiv 1908.04156, section 4).
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.models.heads import ResHead
from pycls.models.layers.basic import Style, build_style, conv2d, init_weights, stage_layers
from pycls.models.layers.blocks import BLOCKS, ResBasicBlock, ResBlock, ResBottleneckBlock, Stage
from pycls.models.layers.checks import check_im_size, check_stage_lists
from pycls.models.layers.residual import Chain, Residual
from pycls.models.layers.stems import STEMS, Stem, stem_layers
from pycls.models.lip import POOLINGS, Pooling, zero_logits


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


class PooledBlock(Residual):
    """A residual block whose strided convolution becomes pooling and a 1x1, and whose shortcut pools before its 1x1.

    (N, w_in, H, W) -> (N, stage.width, H / stride, W / stride). What the logits of both poolings share, `trunk`, sees
    the block's input.
    """

    def __init__(
        self, block: type[ResBlock], pooling: Pooling, w_in: int, stride: int, stage: Stage, se_r: float, style: Style
    ):
        super().__init__()
        plain = block(w_in, stride, stage, se_r, style)
        self.strided, conv = next((name, m) for name, m in plain.f.named_children() if is_strided(m))
        assert isinstance(conv, nn.Conv2d)
        setattr(plain.f, self.strided, conv2d(conv.in_channels, conv.out_channels, 1, groups=conv.groups))
        self.trunk = pooling.trunk(w_in)
        self.pool_proj, self.proj, self.bn = pooling.pool(w_in, stride), conv2d(w_in, stage.width, 1), plain.bn
        self.pool_f, self.f = pooling.pool(conv.in_channels, stride), plain.f
        self.af = plain.af

    def forward(self, x: Tensor) -> Tensor:
        trunk = self.trunk(x)
        shortcut = self.bn(self.proj(self.pool_proj(x, trunk)))
        for name, layer in self.f.named_children():
            if name == self.strided:
                x = self.pool_f(x, trunk)
            x = layer(x)
        return self.af(shortcut + self.kept(x))


def is_strided(layer: nn.Module) -> bool:
    """Tell a convolution that lowers the resolution."""
    return isinstance(layer, nn.Conv2d) and layer.stride != (1, 1)


def pooled_block(block: Callable[..., nn.Module], pooling: Pooling, key: str) -> Callable[..., nn.Module]:
    """Return a block that pools where it would stride; ValueError naming `key` for blocks that have no shortcut."""
    if block not in (ResBasicBlock, ResBottleneckBlock):
        raise ValueError(f"{key}: only res_basic_block and res_bottleneck_block can pool instead of striding")

    def make(w_in: int, stride: int, stage: Stage, se_r: float, style: Style) -> nn.Module:
        if stride == 1:
            return block(w_in, stride, stage, se_r, style)
        return PooledBlock(block, pooling, w_in, stride, stage, se_r, style)

    return make


def pick_pooling(name: str, key: str) -> Pooling | None:
    """Return how a network pools, None for an empty name."""
    return pick(POOLINGS, name, key) if name else None
