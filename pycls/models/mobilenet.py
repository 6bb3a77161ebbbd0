"""MobileNetV2 and V3 as pytorch-cls builds them: one list entry for each block, not for each stage.

Sandler et al., arXiv 1801.04381; Howard et al., arXiv 1905.02244. V2's activation is relu, not relu6.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.models.layers.basic import Style, build_style, conv2d, init_weights, named_sequential
from pycls.models.layers.checks import check_im_size, check_odd_kernels
from pycls.models.layers.mobile_blocks import MobileBlock, make_divisible, mobile_act, mobile_block
from pycls.models.layers.residual import Chain


class MobileHead(nn.Module):
    """1x1 convolution, global average pool, hidden linear layers, dropout, classifier: (N, C, H, W) -> (N, K)."""

    def __init__(
        self,
        w_in: int,
        widths: Sequence[int],
        activations: Sequence[str],
        num_classes: int,
        dropout_ratio: float,
        style: Style,
    ):
        super().__init__()
        self.conv = conv2d(w_in, widths[0], 1)
        self.conv_bn = style.norm(widths[0])
        self.conv_af = mobile_act(activations[0], style)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        hidden: list[nn.Module] = []
        for i in range(1, len(widths)):
            hidden += [nn.Linear(widths[i - 1], widths[i]), mobile_act(activations[i], style)]
        self.linears = nn.Sequential(*hidden)
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_af(self.conv_bn(self.conv(x)))
        return self.fc(self.dropout(self.linears(self.avg_pool(x).flatten(1))))


class MobileNet(Chain):
    """`stem`, blocks `layer_1` .., `head`: (N, 3, S, S) -> (N, K)."""

    def __init__(
        self,
        stem_w: int,
        stem_act: str,
        blocks: Sequence[MobileBlock],
        head_widths: Sequence[int],
        head_acts: Sequence[str],
        num_classes: int,
        dc_ratio: float = 0.0,
        dropout_ratio: float = 0.0,
        style: Style | None = None,
    ):
        super().__init__()
        style = style or Style()
        conv, bn, act = conv2d(3, stem_w, 3, stride=2), style.norm(stem_w), mobile_act(stem_act, style)
        self.stem = named_sequential([("conv", conv), ("bn", bn), ("af", act)])
        w_in = stem_w
        for i, block in enumerate(blocks, start=1):
            self.add_module(f"layer_{i}", mobile_block(w_in, block, dc_ratio, style))
            w_in = block.width
        self.head = MobileHead(w_in, head_widths, head_acts, num_classes, dropout_ratio, style)
        init_weights(self)


BLOCK_LISTS = ("WIDTHS", "EXP_RATIOS", "SE_RATIOS", "ACTS", "STRIDES", "KERNELS")


def build_mobilenet(cfg: CfgNode) -> MobileNet:
    """Build the network of the MB keys: (N, 3, S, S) -> (N, K). WIDTH_MULT scales the blocks, not stem and head."""
    keys = cfg.MB
    check_keys(keys)
    check_im_size(cfg.TRAIN.IM_SIZE, 2 * math.prod(keys.STRIDES))
    widths = [make_divisible(width * keys.WIDTH_MULT) for width in keys.WIDTHS]
    lists = [widths, *(keys[name] for name in BLOCK_LISTS[1:])]
    return MobileNet(
        keys.STEM_W,
        keys.STEM_ACT,
        [MobileBlock(*values) for values in zip(*lists, strict=True)],
        keys.HEAD_W,
        keys.HEAD_ACTS,
        cfg.MODEL.NUM_CLASSES,
        dc_ratio=keys.DC_RATIO,
        dropout_ratio=keys.DROPOUT_RATIO,
        style=build_style(cfg),
    )


def check_keys(keys: CfgNode) -> None:
    """Raise ValueError naming the MB key that makes no network."""
    _check_lengths(keys, BLOCK_LISTS, "block")
    _check_lengths(keys, ("HEAD_W", "HEAD_ACTS"), "layer of the head")
    check_odd_kernels("MB.KERNELS", keys.KERNELS)


def _check_lengths(keys: CfgNode, names: Sequence[str], unit: str) -> None:
    """Raise ValueError unless the lists are equally long: pytorch-cls drops the last blocks without a word."""
    if not keys[names[0]]:
        raise ValueError(f"MB.{names[0]} is empty: expected one value per {unit}")
    for name in names[1:]:
        if len(keys[name]) != len(keys[names[0]]):
            lengths = f"MB.{name} has {len(keys[name])} values but MB.{names[0]} has {len(keys[names[0]])}"
            raise ValueError(f"{lengths}: one per {unit} each")
