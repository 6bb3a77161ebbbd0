"""Blocks of MobileNetV2 and V3 (Sandler et al., arXiv 1801.04381; Howard et al., arXiv 1905.02244)."""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from pycls.core.registry import pick
from pycls.models.layers.basic import Style, conv2d, conv_bn
from pycls.models.layers.residual import InvertedResidual

# pytorch-cls writes swish where it means the hard one.
MB_ACTIVATIONS = {"relu": nn.ReLU, "swish": nn.Hardswish, "hardswish": nn.Hardswish}


def mobile_act(name: str, style: Style) -> nn.Module:
    """Return a new activation module; only relu follows the in-place flag."""
    kind = pick(MB_ACTIVATIONS, name, "activation")
    return kind(inplace=style.activation_inplace) if kind is nn.ReLU else kind()


@dataclass(frozen=True)
class MobileBlock:
    """One inverted residual block."""

    width: int
    exp_ratio: float  # expanded width / input width
    se_ratio: float  # width of squeeze-and-excitation / expanded width; 0 leaves it out
    activation: str
    stride: int
    kernel: int


def make_divisible(width: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, half up, never more than 10 % below `width` (V2's reference code)."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


class MobileSE(nn.Module):
    """Squeeze-and-excitation with a hard sigmoid as its gate: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, width: int, width_se: int):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        squeeze, excite = conv2d(width, width_se, 1, bias=True), conv2d(width_se, width, 1, bias=True)
        self.f_ex = nn.Sequential(squeeze, nn.ReLU(), excite, nn.Hardsigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.f_ex(self.avg_pool(x))


def mobile_block(w_in: int, block: MobileBlock, dc_ratio: float, style: Style) -> InvertedResidual:
    """Build one block."""
    has_skip = block.stride == 1 and w_in == block.width
    if not has_skip:  # a zero gamma with nothing to add to would silence the network
        style = replace(style, zero_init_final_gamma=False)
    return InvertedResidual(block_layers(w_in, block, style), has_skip, dc_ratio)


def block_layers(w_in: int, block: MobileBlock, style: Style) -> list[tuple[str, nn.Module]]:
    """Return the named layers of one block's branch, without the expansion where it would not expand."""
    w_exp = make_divisible(int(w_in * block.exp_ratio))
    layers: list[tuple[str, nn.Module]] = []
    if w_exp != w_in:
        layers += [*conv_bn("exp", conv2d(w_in, w_exp, 1), style), ("exp_af", mobile_act(block.activation, style))]
    dwise = conv2d(w_exp, w_exp, block.kernel, stride=block.stride, groups=w_exp)
    layers += [*conv_bn("dwise", dwise, style), ("dwise_af", mobile_act(block.activation, style))]
    if block.se_ratio > 0:
        layers.append(("se", MobileSE(w_exp, make_divisible(w_exp * block.se_ratio))))
    return layers + conv_bn("lin_proj", conv2d(w_exp, block.width, 1), style, final=True)
