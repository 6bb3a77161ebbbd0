"""Whether weights that a file says are of one network of a library may be another's, which has the same tensors.

timm's efficientnet_b0 and tf_efficientnet_b0, resnet50 and resnetblur50, vit_*_clip and vit_*_clip_quickgelu are such.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config.im_size import ImSize
from pycls.models.external.timm_models import timm_model, timm_names
from pycls.models.external.torchvision_models import torchvision_model, torchvision_names

_LIBRARIES: dict[str, tuple[Callable[[], list[str]], Callable[[str, int, ImSize, int], nn.Module]]] = {
    "timm": (timm_names, timm_model),
    "torchvision": (torchvision_names, torchvision_model),
}
_SETTINGS = ("eps", "stride", "padding", "dilation", "groups", "kernel_size", "negative_slope", "approximate")


def check_same_network(cfg: CfgNode, named: Sequence[str], where: str) -> None:
    """Raise ValueError if a file is named as of another network of MODEL.TYPE's library than MODEL.NAME's.

    `named`: what the file calls its network, best known first. Other names of the same layers are let through, and so
    is a file that says nothing.
    """
    if cfg.MODEL.TYPE not in _LIBRARIES:
        return
    list_names, make = _LIBRARIES[cfg.MODEL.TYPE]
    theirs = known_name(named, set(list_names()))
    if theirs in ("", cfg.MODEL.NAME):
        return
    options = cfg.MODEL.NUM_CLASSES, cfg.TRAIN.IM_SIZE, cfg.DATA_LOADER.CHANNELS
    try:
        with torch.device("meta"):
            ours, other = (_layers(make(name, *options)) for name in (cfg.MODEL.NAME, theirs))
    except ValueError:  # it cannot be built for such images, so its tensors would not have fitted
        return
    if ours != other:
        raise ValueError(
            f"{where}: is of {cfg.MODEL.TYPE}'s {theirs}, which computes something else with the same tensors than "
            f"MODEL.NAME {cfg.MODEL.NAME}: set MODEL.NAME {theirs}, or rename the file if it is not"
        )


def known_name(named: Sequence[str], known: set[str]) -> str:
    """Return the longest name of a network at the beginning of the first text that has one, "" if none has.

    "tf_efficientnet_b0_ns_c0e6a31c" begins with tf_efficientnet_b0.
    """
    for text in named:
        words = text.replace(".", "_").split("_")
        starts = ("_".join(words[:end]) for end in range(len(words), 0, -1))
        if found := next((start for start in starts if start in known), ""):
            return found
    return ""


def _layers(model: nn.Module) -> list[tuple]:
    """Return kinds and settings of the layers without parts, in the order in which they were added."""
    leaves = (module for module in model.modules() if not any(module.children()))
    return [(type(leaf).__name__, *(str(getattr(leaf, name, "")) for name in _SETTINGS)) for leaf in leaves]
