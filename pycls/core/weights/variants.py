"""Which network a foreign file is of, where names and shapes of its tensors leave open how it computes.

Some published networks share all names and shapes: timm's efficientnet_b0 and tf_efficientnet_b0 differ in padding and
epsilon, its resnet50 and resnetblur50 in a blur. What tells them apart is what the file is called, or says itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from pycls.core.weights.arithmetic import Arithmetic

_RESNET = Arithmetic(1e-5, "relu", (0, 1, 2, 2, 2))  # many change the stem for small images
_REGNET = Arithmetic(1e-5, "relu", (2, 2, 2, 2, 2))
_EFFNET = Arithmetic(1e-5, "silu", (2, 1, 2, 2, 2, 1, 2, 1))
_HEAD_W_OF_B5 = 2048  # EfficientNet-B4 has 1792
# Networks whose names of tensors our own families have, too: all of them compute so.
PLAIN = Arithmetic(1e-5, "relu")
_NAMED_PLAIN = re.compile(r"(resne[x]?t|densenet|pyramidnet)\d+")


@dataclass(frozen=True)
class FileVariant:
    """What a file is taken for; None: a network that none of ours computes."""

    arithmetic: Arithmetic | None
    doubt: str = ""  # what is not known of it, or why there is no such network here
    is_said: bool = True  # by the file; else only a network that was set up to compute so may have it


def resnet(tensors: Mapping[str, Tensor], named: Sequence[str]) -> FileVariant:
    """Return what a ResNet of torchvision or timm computes."""
    found = _first(r"resne(?:t|xt)(blur|aa)?(\d+)", named)
    if found is None:
        doubt = (
            "its name says no network: taken for a plain ResNet, not for timm's resnetblur or resnetaa, which fit, too"
        )
        return FileVariant(_RESNET, doubt)
    if found[1]:
        doubt = f"is of timm's {found[0]}, which has the tensors of resnet{found[2]}, but blurs before it strides"
        return FileVariant(None, f"{doubt}: take MODEL.TYPE timm MODEL.NAME {found[0]}")
    return FileVariant(_RESNET)


def regnet(tensors: Mapping[str, Tensor], named: Sequence[str]) -> FileVariant:
    """Return what a RegNet of torchvision or timm computes."""
    return FileVariant(_REGNET)


def torchvision_effnet(tensors: Mapping[str, Tensor], named: Sequence[str]) -> FileVariant:
    """Return what an EfficientNet of torchvision computes: B5 to B7, which are wider, have another epsilon."""
    head = tensors.get("head.conv.weight")
    return FileVariant(_EFFNET if head is None else replace(_EFFNET, bn_eps=torchvision_effnet_eps(head.shape[0])))


def torchvision_effnet_eps(head_w: int) -> float:
    """Return the epsilon of torchvision's EfficientNet with a last convolution of so many channels."""
    return 1e-3 if head_w >= _HEAD_W_OF_B5 else 1e-5


def timm_effnet(tensors: Mapping[str, Tensor], named: Sequence[str]) -> FileVariant:
    """Return what an EfficientNet of timm computes, if the file says which of those with its tensors it is of."""
    plain = _activated(_EFFNET, tensors)
    tensorflow = replace(plain, bn_eps=1e-3, tf_padding=True)
    found = _first(r"(tf_)?efficientnet_(blur_)?(?:b\d|lite\d|l2)", named)
    if found is None:
        doubt = (
            "timm's efficientnet_* and tf_efficientnet_* have the same tensors, but other padding and epsilon: call "
            "the file by its network (efficientnet_b0.pth, tf_efficientnet_b0.pth), take MODEL.TYPE timm, or set "
            "BN.EPS 0.001 and EN.TF_PADDING True if it is a tf_"
        )
        return FileVariant(tensorflow, doubt, is_said=False)
    if found[2]:
        doubt = f"is of timm's {found[0]}, which blurs before it strides: take MODEL.TYPE timm MODEL.NAME {found[0]}"
        return FileVariant(None, doubt)
    return FileVariant(tensorflow if found[1] else plain)


def ported_effnet(tensors: Mapping[str, Tensor], named: Sequence[str]) -> FileVariant:
    """Return what an EfficientNet of EfficientNet-PyTorch computes: what TensorFlow's does."""
    return FileVariant(replace(_activated(_EFFNET, tensors), bn_eps=1e-3, tf_padding=True))


def names_plain_network(named: Sequence[str]) -> bool:
    """Tell whether a file says that it is of a network with torchvision's names that computes as those do."""
    return any(_NAMED_PLAIN.search(name) for name in named)


def _activated(arithmetic: Arithmetic, tensors: Mapping[str, Tensor]) -> Arithmetic:
    """Return it with the activation of EfficientNet-Lite where there is no squeeze-and-excitation."""
    return arithmetic if any(".se." in name for name in tensors) else replace(arithmetic, activation="relu6")


def _first(pattern: str, named: Sequence[str]) -> re.Match | None:
    return next((match for name in named if (match := re.search(pattern, name))), None)
