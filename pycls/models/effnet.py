"""EfficientNet: MobileNetV2 blocks with squeeze-and-excitation (Tan and Le, arXiv 1905.11946)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import nn
from yacs.config import CfgNode

from pycls.models.heads import EffHead
from pycls.models.layers.basic import SE, Style, build_style, conv2d, conv_bn, conv_bn_act, init_weights, stage_layers
from pycls.models.layers.checks import check_im_size, check_odd_kernels, check_stage_lists
from pycls.models.layers.residual import Chain, InvertedResidual
from pycls.models.layers.stems import STEMS, stem_layers


@dataclass(frozen=True)
class EffStage:
    """Blocks of one width; the first one has the stride."""

    depth: int
    width: int
    stride: int
    exp_ratio: float  # expanded width / input width
    kernel: int


def mbconv(w_in: int, stride: int, stage: EffStage, se_r: float, dc_ratio: float, style: Style) -> InvertedResidual:
    """Build one block; SE's width is a fraction of the block's *input* width, not of the expanded one."""
    has_skip = stride == 1 and w_in == stage.width
    if not has_skip:  # a zero gamma with nothing to add to would silence the network
        style = replace(style, zero_init_final_gamma=False)
    return InvertedResidual(mbconv_layers(w_in, stride, stage, se_r, style), has_skip, dc_ratio)


def mbconv_layers(w_in: int, stride: int, stage: EffStage, se_r: float, style: Style) -> list[tuple[str, nn.Module]]:
    """Return the named layers of one block's branch, without the expansion where it would not expand."""
    w_exp, w_se = int(w_in * stage.exp_ratio), int(w_in * se_r)
    layers = conv_bn_act("exp", conv2d(w_in, w_exp, 1), style) if w_exp != w_in else []
    dwise = conv2d(w_exp, w_exp, stage.kernel, stride=stride, groups=w_exp, tf_padding=style.tf_padding)
    layers += conv_bn_act("dwise", dwise, style)
    if w_se > 0:
        layers.append(("se", SE(w_exp, w_se, style)))
    return layers + conv_bn("lin_proj", conv2d(w_exp, stage.width, 1), style, final=True)


class EffNet(Chain):
    """`stem`, stages `s1` .. with blocks `b1` .., `head`: (N, 3, S, S) -> (N, K)."""

    def __init__(
        self,
        stem_w: int,
        stages: Sequence[EffStage],
        head_w: int,
        num_classes: int,
        se_r: float = 0.25,
        dc_ratio: float = 0.0,
        dropout_ratio: float = 0.0,
        style: Style | None = None,
    ):
        super().__init__()
        style = style or Style(activation="silu")
        self.stem = stem_layers(STEMS["simple_stem_in"], stem_w, style)
        w_in = stem_w
        for i, stage in enumerate(stages, start=1):
            make_block = partial(mbconv, stage=stage, se_r=se_r, dc_ratio=dc_ratio, style=style)
            self.add_module(f"s{i}", stage_layers(w_in, stage.width, stage.depth, stage.stride, make_block))
            w_in = stage.width
        self.head = EffHead(w_in, head_w, num_classes, dropout_ratio, style)
        init_weights(self)


def build_effnet(cfg: CfgNode) -> EffNet:
    """Build the network of the EN keys: (N, 3, S, S) -> (N, K)."""
    keys = cfg.EN
    names = ("DEPTHS", "WIDTHS", "STRIDES", "EXP_RATIOS", "KERNELS")
    check_stage_lists("EN", keys, required=names)
    check_odd_kernels("EN.KERNELS", keys.KERNELS)
    check_im_size(cfg.TRAIN.IM_SIZE, STEMS["simple_stem_in"].stride * math.prod(keys.STRIDES))
    stages = [EffStage(*values) for values in zip(*(keys[name] for name in names), strict=True)]
    return EffNet(
        keys.STEM_W,
        stages,
        keys.HEAD_W,
        cfg.MODEL.NUM_CLASSES,
        se_r=keys.SE_R,
        dc_ratio=keys.DC_RATIO,
        dropout_ratio=keys.DROPOUT_RATIO,
        style=replace(build_style(cfg), tf_padding=keys.TF_PADDING),
    )
