"""Local importance-based pooling: a window's mean, weighted by exp(logit) (Gao, Wang, Wu; ICCV 2019, arXiv 1908.04156).

`lip2d` is the operator; the rest are the small networks that make its logits, with the names of the published
checkpoints. Names that say "bn" there are instance norms: no running statistics, the same in training and evaluation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from pycls.models.layers.basic import at_least_float32, conv2d, named_sequential

TRUNK_WIDTH = 128  # "Bottleneck-128" of the paper
GATE_LIMIT = 12.0

# A channel's largest weight is 2^57 (1.4e17), the smallest 1e-30: weight x feature, their sums and the reciprocals that
# the gradients need all stay inside float32.
_LARGEST_WEIGHT, _LEAST_WEIGHT = 2.0**57, 1e-30


def lip2d(x: Tensor, logit: Tensor, kernel_size: int = 3, stride: int = 2, padding: int = 1) -> Tensor:
    """Return sum(exp(logit) * x) / sum(exp(logit)) of each window: two (N, C, H, W) -> (N, C, H', W').

    Padding has no weight at all; H' = floor((H + 2 * padding - kernel_size) / stride) + 1. It computes in float32 at
    least and returns x's dtype. It is finite for all finite logits, and exact to rounding for windows with a logit less
    than 80 below the largest of its channel; below 110 a window's mean is a plain one. ValueError for unequal shapes or
    a padding of more than half a kernel.
    """
    _check(x, logit, kernel_size, padding)
    return weighted_mean2d(x, importance(at_least_float32(logit)), kernel_size, stride, padding)


def weighted_mean2d(x: Tensor, weight: Tensor, kernel_size: int, stride: int, padding: int) -> Tensor:
    """Return sum(weight * x) / sum(weight) of each window: two (N, C, H, W) -> (N, C, H', W') of x's dtype."""
    total = window_sum(weight, kernel_size, stride, padding)
    return (window_sum(at_least_float32(x) * weight, kernel_size, stride, padding) / total).to(x.dtype)


def importance(logit: Tensor) -> Tensor:
    """Return exp(logit) times a constant of each image and channel that keeps it in range."""
    top = logit.detach().amax((2, 3), keepdim=True)
    weight = (logit - top).exp_() * _LARGEST_WEIGHT
    return weight.add_(_LEAST_WEIGHT)  # instead of a clamp, whose compiled gradient takes twice as long


def window_sum(x: Tensor, kernel_size: int, stride: int, padding: int) -> Tensor:
    """Return the sum over each window, padding counting 0, times a constant: (N, C, H, W) -> (N, C, H', W')."""
    if torch.compiler.is_compiling() and x.device.type == "cpu" and x.is_contiguous():
        # Measured (benchmarks/methods/lip.py): rows, then columns, is vector code, half the time of a pooling loop.
        x = functional.pad(x, (padding, padding, padding, padding))
        rows = _sum(x[:, :, one] for one in _taps(x.shape[2], kernel_size, stride))
        return _sum(rows[:, :, :, one] for one in _taps(x.shape[3], kernel_size, stride))
    return functional.avg_pool2d(x, kernel_size, stride, padding)


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, parts)


def _taps(size: int, kernel_size: int, stride: int) -> list[slice]:
    """Return where the first, the second .. pixels of all windows are."""
    last = (size - kernel_size) // stride * stride  # where the last window begins
    return [slice(start, start + last + 1, stride) for start in range(kernel_size)]


def _check(x: Tensor, logit: Tensor, kernel_size: int, padding: int) -> None:
    if x.shape != logit.shape:
        raise ValueError(f"lip2d: every feature needs its own logit, got {tuple(x.shape)} and {tuple(logit.shape)}")
    if 2 * padding > kernel_size:
        raise ValueError(f"lip2d: padding {padding} is more than half of kernel_size {kernel_size}: empty windows")


# ---- logit networks; they run at the resolution of the pooling's input


class Gate(nn.Module):
    """12 * sigmoid(x) in float32 at least: half precision would round the exponents by percents."""

    def forward(self, x: Tensor) -> Tensor:
        return GATE_LIMIT * torch.sigmoid(at_least_float32(x))


def instance_norm(width: int) -> nn.InstanceNorm2d:
    """Return a learnt instance norm; it needs more than one pixel."""
    return nn.InstanceNorm2d(width, affine=True)


def conv_norm(number: str, conv: nn.Conv2d) -> list[tuple[str, nn.Module]]:
    """Name a convolution and its instance norm: `conv1`, `bn1`."""
    return [(f"conv{number}", conv), (f"bn{number}", instance_norm(conv.out_channels))]


def simple_logit(width: int, number: str = "") -> nn.Sequential:
    """Return the stem's logit network, "simplified": (N, width, H, W) -> the same shape."""
    return named_sequential([*conv_norm(number, conv2d(width, width, 3)), ("gate", Gate())])


def trunk_layers(w_in: int) -> list[tuple[str, nn.Module]]:
    """Return 1x1 and 3x3 convolutions: (N, w_in, H, W) -> (N, 128, H, W)."""
    layers = [*conv_norm("1", conv2d(w_in, TRUNK_WIDTH, 1)), ("relu1", nn.ReLU(inplace=True))]
    return [*layers, *conv_norm("2", conv2d(TRUNK_WIDTH, TRUNK_WIDTH, 3)), ("relu2", nn.ReLU(inplace=True))]


def bottleneck_logit(width: int) -> nn.Sequential:
    """Return trunk and head in one: (N, width, H, W) -> the same shape."""
    head = [*conv_norm("3", conv2d(TRUNK_WIDTH, width, 1)), ("gate", Gate())]
    return named_sequential([*trunk_layers(width), *head])


def shared_trunk(w_in: int) -> nn.Sequential:
    """Return the trunk that the poolings of one block share: (N, w_in, H, W) -> (N, 128, H, W)."""
    return named_sequential([("logit", named_sequential(trunk_layers(w_in)))])


class LIP(nn.Module):
    """Pool with the logits of a network of its own: (N, C, H, W) -> (N, C, H', W').

    It ends with the gate, whose exp cannot overflow: what lip2d does about that is left out, a fifth of its time.
    """

    def __init__(self, logit: nn.Module, kernel_size: int = 3, stride: int = 2, padding: int = 1):
        super().__init__()
        self.logit = logit
        self.window = (kernel_size, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        return weighted_mean2d(x, self.logit(x).exp(), *self.window)


class SharedLIP(nn.Module):
    """Pool x (N, width, H, W) with logits made from the block's trunk (N, 128, H, W)."""

    def __init__(self, width: int, stride: int = 2):
        super().__init__()
        self.postprocessing = named_sequential([*conv_norm("", conv2d(TRUNK_WIDTH, width, 1)), ("gate", Gate())])
        self.stride = stride

    def forward(self, x: Tensor, trunk: Tensor) -> Tensor:
        return weighted_mean2d(x, self.postprocessing(trunk).exp(), 3, self.stride, 1)


class SoftPool(nn.Module):
    """LIP whose logits are the features themselves (Stergiou et al., arXiv 2101.00440); `trunk` is not used."""

    def __init__(self, width: int, stride: int = 2):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor, trunk: Tensor | None = None) -> Tensor:
        return lip2d(x, x, stride=self.stride)


class AveragePool(nn.Module):
    """LIP with equal logits: the mean of each window's real pixels; `trunk` is not used."""

    def __init__(self, width: int, stride: int = 2):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor, trunk: Tensor | None = None) -> Tensor:
        return functional.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)


@torch.no_grad()
def zero_logits(model: nn.Module) -> None:
    """Zero the convolution before every gate: all logits are then equal, so LIP starts as average pooling."""
    for module in model.modules():
        if isinstance(module, nn.Sequential) and isinstance(module[-1], Gate):
            convolution = module[-3]
            assert isinstance(convolution, nn.Conv2d)
            convolution.weight.zero_()


@dataclass(frozen=True)
class Pooling:
    """How a network pools: what a strided block computes once, its poolings, the stem's pooling; called with widths."""

    trunk: Callable[[int], nn.Module]
    pool: Callable[[int, int], nn.Module]  # (width, stride)
    stem: Callable[[int], nn.Module]


def stem_lip(width: int) -> LIP:
    """Return the pooling behind a stem: (N, width, H, W) -> (N, width, H / 2, W / 2)."""
    return LIP(simple_logit(width))


POOLINGS = {
    "lip": Pooling(shared_trunk, SharedLIP, stem_lip),
    "softpool": Pooling(nn.Identity, SoftPool, SoftPool),
    "avg": Pooling(nn.Identity, AveragePool, AveragePool),
}
