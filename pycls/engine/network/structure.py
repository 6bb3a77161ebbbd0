"""Where two networks of different MODEL.TYPE that have the same tensors compute something else with them."""

from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.config.checks import check_values
from pycls.core.config.defaults import declared_keys
from pycls.core.registry import listed
from pycls.models import build_model

# What the evaluation of a layer depends on beside its tensors; activations and pools are told by their class, too.
_ATTRIBUTES = ("stride", "padding", "dilation", "groups", "kernel_size", "eps", "ceil_mode", "count_include_pad")
# Their layers have other names.
_OF_OTHER_LIBRARIES = ("timm", "torchvision")


def structure_differences(theirs: CfgNode, cfg: CfgNode) -> list[str]:
    """Return in words where the network of one config differs from another's of another type; [] for equal types.

    Layers are compared that both have, by name: a resnet with RESNET.STRIDE_1X1 True has the tensors of an anynet, and
    strides elsewhere. A network that cannot be built here is not compared.
    """
    types = (theirs.MODEL.TYPE, cfg.MODEL.TYPE)
    if types[0] == types[1] or "" in types or any(kind in _OF_OTHER_LIBRARIES for kind in types):
        return []
    try:
        check_values(theirs, {key: "" for key, row in declared_keys().items() if row.decides == "network"})
        old = _layers(with_value(theirs, "MODEL.NUM_CLASSES", cfg.MODEL.NUM_CLASSES))
    except ValueError:
        return []
    new = _layers(cfg)
    names = [name for name in old.keys() & new.keys() if old[name] != new[name]]
    if not names:
        return []
    name, *others = sorted(names)
    more = f" ({listed(others, 3)} differ, too)" if others else ""
    return [f"layer {name} of its network ({types[0]}) is {old[name]}, of this config's ({types[1]}) {new[name]}{more}"]


def _layers(cfg: CfgNode) -> dict[str, str]:
    """Return what each layer of a config's network computes beside its tensors, by name."""
    with torch.device("meta"):
        model = build_model(cfg)
    return {name: _describe(module) for name, module in model.named_modules() if not any(module.children())}


def _describe(module: nn.Module) -> str:
    values: dict[str, Any] = {name: getattr(module, name) for name in _ATTRIBUTES if hasattr(module, name)}
    return f"{type(module).__name__}({', '.join(f'{name} {value}' for name, value in values.items())})"
