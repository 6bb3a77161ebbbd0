"""Whether two networks compute the same whose layers have other names, as those of timm and torchvision have."""

from collections import Counter
from typing import Any

from torch import nn

from pycls.core.weights.arithmetic import BLURS

LIBRARIES = ("timm", "torchvision")  # values of MODEL.TYPE
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish)
_PADS_SAME = "Conv2dSame"  # timm's convolution that pads as TensorFlow does


def library_differences(there: nn.Module, named: str, here: nn.Module, called: str) -> list[str]:
    """Return in words what a file's network, `named` so, computes otherwise than the one here; [] for nothing.

    What is compared is counted over all layers: names and order say nothing.
    """
    old, new = _facts(there), _facts(here)
    found = [what for what in old if old[what] != new[what]]
    return [f"its network ({named}) has other {' and '.join(found)} than this config's ({called})"] if found else []


def _facts(model: nn.Module) -> dict[str, Any]:
    modules = list(model.modules())
    convs = [module for module in modules if isinstance(module, nn.Conv2d)]
    return {
        "strides": Counter(
            (conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.dilation, conv.groups)
            for conv in convs
        ),
        "blurs": any(getattr(module, BLURS, False) for module in modules),
        "padding": any(_pads_as_tensorflow(conv) for conv in convs if conv.stride[0] > 1),
        "epsilons": {module.eps for module in modules if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm))},
        "activations": {type(module) for module in modules if isinstance(module, _ACTIVATIONS)},
    }


def _pads_as_tensorflow(conv: nn.Conv2d) -> bool:
    return getattr(conv, "tf_padding", False) or type(conv).__name__ == _PADS_SAME
