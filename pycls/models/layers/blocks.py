"""Blocks of AnyNets, called as block(w_in, stride, stage, se_r, style): (N, w_in, H, W) -> (N, stage.width, H', W')."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor, nn

from pycls.models.layers.basic import SE, Style, conv2d, conv_bn, conv_bn_act, named_sequential
from pycls.models.layers.residual import Residual


@dataclass(frozen=True)
class Stage:
    """Blocks of one width; the first one has the stride. The last three fields matter to bottleneck blocks only."""

    depth: int
    width: int
    stride: int
    bot_mul: float = 1.0  # width of the 3x3 / width of the stage
    group_w: int = 1  # channels per group of the 3x3
    stride_1x1: bool = False  # the stride is on the first 1x1 (as in the first ResNets) instead of the 3x3

    @property
    def width_b(self) -> int:
        """Width of the bottleneck's 3x3 convolution."""
        return round(self.width * self.bot_mul)


def bottleneck_transform(w_in: int, stride: int, stage: Stage, se_r: float, style: Style) -> nn.Sequential:
    """Return 1x1, 3x3, SE, 1x1. SE's width is a fraction of the block's *input* width; 0 leaves SE out."""
    w_b, w_se = stage.width_b, round(w_in * se_r)
    stride_a, stride_b = (stride, 1) if stage.stride_1x1 else (1, stride)
    layers = conv_bn_act("a", conv2d(w_in, w_b, 1, stride=stride_a), style)
    layers += conv_bn_act("b", conv2d(w_b, w_b, 3, stride=stride_b, groups=w_b // stage.group_w), style)
    if w_se > 0:
        layers.append(("se", SE(w_b, w_se, style)))
    layers += conv_bn("c", conv2d(w_b, stage.width, 1), style, final=True)
    return named_sequential(layers)


def basic_transform(w_in: int, stride: int, stage: Stage, se_r: float, style: Style) -> nn.Sequential:
    """Return 3x3, 3x3; the second one has no activation."""
    layers = conv_bn_act("a", conv2d(w_in, stage.width, 3, stride=stride), style)
    layers += conv_bn("b", conv2d(stage.width, stage.width, 3), style, final=True)
    return named_sequential(layers)


def vanilla_block(w_in: int, stride: int, stage: Stage, se_r: float, style: Style) -> nn.Sequential:
    """Return 3x3, 3x3 without a residual connection."""
    layers = conv_bn_act("a", conv2d(w_in, stage.width, 3, stride=stride), style)
    layers += conv_bn_act("b", conv2d(stage.width, stage.width, 3), style)
    return named_sequential(layers)


class ResBlock(Residual):
    """activation(shortcut(x) + f(x)); the shortcut is a 1x1 projection where the shape changes."""

    transform: Callable[..., nn.Module]

    def __init__(self, w_in: int, stride: int, stage: Stage, se_r: float, style: Style):
        super().__init__()
        self.proj = None
        if w_in != stage.width or stride != 1:
            self.proj = conv2d(w_in, stage.width, 1, stride=stride)
            self.bn = style.norm(stage.width)
        self.f = self.transform(w_in, stride, stage, se_r, style)
        self.af = style.act()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.bn(self.proj(x))
        return self.af(shortcut + self.kept(self.f(x)))


class ResBasicBlock(ResBlock):
    """Residual block of two 3x3 convolutions."""

    transform = staticmethod(basic_transform)


class ResBottleneckBlock(ResBlock):
    """Residual block of 1x1, 3x3, 1x1 convolutions."""

    transform = staticmethod(bottleneck_transform)


class ResBottleneckLinearBlock(Residual):
    """x + f(x) without an outer activation, or f(x) alone where the shape changes (as MobileNetV2)."""

    def __init__(self, w_in: int, stride: int, stage: Stage, se_r: float, style: Style):
        super().__init__()
        self.has_skip = w_in == stage.width and stride == 1
        if not self.has_skip:  # a zero gamma with nothing to add to would silence the network
            style = replace(style, zero_init_final_gamma=False)
        self.f = bottleneck_transform(w_in, stride, stage, se_r, style)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.kept(self.f(x)) if self.has_skip else self.f(x)


BLOCKS = {
    "vanilla_block": vanilla_block,
    "res_basic_block": ResBasicBlock,
    "res_bottleneck_block": ResBottleneckBlock,
    "res_bottleneck_linear_block": ResBottleneckLinearBlock,
}
