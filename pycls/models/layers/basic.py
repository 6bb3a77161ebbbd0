"""Layers that every convolutional family is made of, and their initialization."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from yacs.config import CfgNode

from pycls.core.registry import pick

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "swish": nn.SiLU, "gelu": nn.GELU}


@dataclass(frozen=True)
class Style:
    """The choices that all layers of one network share."""

    activation: str = "relu"
    activation_inplace: bool = True  # honored by relu and relu6 only: autograd needs the inputs of the others
    bn_eps: float = 1e-5
    bn_mom: float = 0.1
    zero_init_final_gamma: bool = False
    tf_padding: bool = False  # see TFConv2d

    def act(self) -> nn.Module:
        """Return a new activation module."""
        kind = pick(ACTIVATIONS, self.activation, "MODEL.ACTIVATION_FUN")
        return kind(inplace=self.activation_inplace) if kind in (nn.ReLU, nn.ReLU6) else kind()

    def norm(self, width: int, final: bool = False) -> nn.BatchNorm2d:
        """Return a BatchNorm; `final` marks the last one of a residual branch, whose gamma may start at 0."""
        bn = nn.BatchNorm2d(width, eps=self.bn_eps, momentum=self.bn_mom)
        if final and self.zero_init_final_gamma:
            nn.init.zeros_(bn.weight)
        return bn


def build_style(cfg: CfgNode) -> Style:
    """Read the MODEL.ACTIVATION_* and BN.* keys."""
    return Style(
        activation=cfg.MODEL.ACTIVATION_FUN,
        activation_inplace=cfg.MODEL.ACTIVATION_INPLACE,
        bn_eps=cfg.BN.EPS,
        bn_mom=cfg.BN.MOM,
        zero_init_final_gamma=cfg.BN.ZERO_INIT_FINAL_GAMMA,
    )


class TFConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": as little as possible, the odd pixel on the right and the bottom.

    With stride 1 that is the usual padding; with stride 2 and an even image the windows lie a pixel further on.
    """

    tf_padding = True

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        height, width = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
        x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def conv2d(
    w_in: int,
    w_out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    tf_padding: bool = False,
) -> nn.Conv2d:
    """Return a convolution that keeps ceil(size / stride) pixels: (N, w_in, H, W) -> (N, w_out, H', W')."""
    assert kernel % 2 == 1, f"an even kernel ({kernel}) has no center, so it cannot pad evenly"
    padding = (kernel - 1) // 2
    kind = TFConv2d if tf_padding and stride > 1 else nn.Conv2d
    return kind(w_in, w_out, kernel, stride=stride, padding=padding, groups=groups, bias=bias)


def conv_bn(name: str, conv: nn.Conv2d, style: Style, final: bool = False) -> list[tuple[str, nn.Module]]:
    """Name a convolution and its BatchNorm as checkpoints do: `a`, `a_bn`."""
    return [(name, conv), (f"{name}_bn", style.norm(conv.out_channels, final))]


def conv_bn_act(name: str, conv: nn.Conv2d, style: Style) -> list[tuple[str, nn.Module]]:
    """Name a convolution, its BatchNorm and its activation: `a`, `a_bn`, `a_af`."""
    return [*conv_bn(name, conv, style), (f"{name}_af", style.act())]


def named_sequential(layers: Sequence[tuple[str, nn.Module]]) -> nn.Sequential:
    """Chain named layers: the names are part of checkpoints, the order of the optimizer's state."""
    return nn.Sequential(OrderedDict(layers))


def stage_layers(
    w_in: int, width: int, depth: int, stride: int, make_block: Callable[[int, int], nn.Module]
) -> nn.Sequential:
    """Chain blocks `b1`, `b2` .. made by make_block(w_in, stride); the first one changes width and resolution."""
    blocks = [("b1", make_block(w_in, stride))]
    blocks += [(f"b{j}", make_block(width, 1)) for j in range(2, depth + 1)]
    return named_sequential(blocks)


class SE(nn.Module):
    """Squeeze-and-excitation: rescale each channel by a gate in (0, 1) (Hu et al., arXiv 1709.01507)."""

    def __init__(self, width: int, width_se: int, style: Style):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.f_ex = nn.Sequential(
            conv2d(width, width_se, 1, bias=True), style.act(), conv2d(width_se, width, 1, bias=True), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.f_ex(self.avg_pool(x))


@torch.no_grad()
def init_weights(model: nn.Module) -> None:
    """Initialize in place as pycls: He normal by fan-out for convolutions, N(0, 0.01) for linear layers.

    Biases of convolutions (only squeeze-and-excitation has them) and BatchNorms keep what their constructors gave.
    """
    init_convs(model)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.weight.normal_(mean=0.0, std=0.01)
            module.bias.zero_()


@torch.no_grad()
def init_convs(model: nn.Module) -> None:
    """Initialize convolutions in place: He normal, whose fan-out is kernel area x outputs, not divided by groups."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = math.prod(module.kernel_size) * module.out_channels
            module.weight.normal_(mean=0.0, std=math.sqrt(2.0 / fan_out))


def at_least_float32(x: Tensor) -> Tensor:
    """Return x in float32, or as it is if that is more precise."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
