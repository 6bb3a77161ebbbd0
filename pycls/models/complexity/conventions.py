"""What counts as an operation: the conventions in which networks were published.

"flops" are multiply-adds in all of them. They differ in the small change: biases, normalization, activations, pooling.
A rule belongs to a class of layers and, unless there is a nearer one, to its subclasses; layers without one count zero.
Where functional products count, a subclass with a forward of its own has none: what it computes counts (BlurPool).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

# (layer, input, output), both for one image -> operations
Rule = Callable[[nn.Module, Tensor, Tensor], int]


@dataclass(frozen=True)
class Convention:
    """Rules by class of layer, and what they count in words."""

    rules: Mapping[type[nn.Module], Rule]
    functional: bool  # products outside of layers with a rule (attention, for one) count too
    says: str


def weights_only(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count the weights that each output element takes.

    The weight of a linear layer is (out, in), that of a convolution (out, in / groups, k, k): one rule serves both.
    """
    assert isinstance(layer.weight, Tensor)
    return layer.weight[0].numel() * y.numel()


def weights_and_bias(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count the weights that each output element takes, one more where there is a bias."""
    return weights_only(layer, x, y) + (layer.bias is not None) * y.numel()


def twice_inputs(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count a subtraction and a multiplication for each element; thop has no rule for one without gamma and beta."""
    return 2 * x.numel()


def scaled_inputs(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count one operation an element, two where the normalization has gamma and beta."""
    return (1 + bool(layer.affine)) * x.numel()


def each_input(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count one operation an input element."""
    return x.numel()


def each_output(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count one operation an output element."""
    return y.numel()


def window_sums(layer: nn.Module, x: Tensor, y: Tensor) -> int:
    """Count the additions of each window, cut to whole pixels, and one division."""
    window = (x.shape[-2] // y.shape[-2]) * (x.shape[-1] // y.shape[-1])
    return (window + 1) * y.numel()


BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)
RELUS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

CONVENTIONS: dict[str, Convention] = {
    "macs": Convention(
        {nn.Conv2d: weights_and_bias, nn.Linear: weights_and_bias},
        functional=True,
        says="multiply-adds of convolutions, linear layers and attention, an addition for each bias; as pycls",
    ),
    "thop": Convention(
        {
            nn.Conv2d: weights_and_bias,
            nn.Linear: weights_only,
            **dict.fromkeys(BATCH_NORMS, twice_inputs),
            nn.LeakyReLU: each_input,
            nn.AvgPool2d: each_output,
            nn.AdaptiveAvgPool2d: window_sums,
        },
        functional=False,
        says="as thop 0.0.31: convolutions with biases, linear layers without, 2 an element of batch norm, average "
        "pools; only what layers do, so no attention",
    ),
    "ptflops": Convention(
        {
            nn.Conv2d: weights_and_bias,
            nn.Linear: weights_only,
            **dict.fromkeys(BATCH_NORMS, scaled_inputs),
            **dict.fromkeys(RELUS, each_output),
            **dict.fromkeys(POOLS, each_input),
        },
        functional=False,
        says="as ptflops 0.4: convolutions with biases, linear layers without, 2 an element of batch norm, 1 an "
        "output of ReLU, 1 an input of pools; only what layers do, so no attention",
    ),
}
