"""Where two networks of different MODEL.TYPE that have the same tensors compute something else with them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.config.checks import check_values
from pycls.core.config.defaults import declared_keys
from pycls.core.registry import listed
from pycls.models.stored_network.library import LIBRARIES, library_differences

# What the evaluation of a layer depends on beside its tensors; activations and pools are told by their class, too.
_ATTRIBUTES = ("stride", "padding", "dilation", "groups", "kernel_size", "eps", "ceil_mode", "count_include_pad")


def structure_differences(theirs: CfgNode, cfg: CfgNode, build: Callable[[CfgNode], nn.Module]) -> list[str]:
    """Return in words where the network of one config differs from another's of another type; [] for equal types.

    Layers are compared that both have, by name: a resnet with RESNET.STRIDE_1X1 True has the tensors of an anynet, and
    strides elsewhere. A network that cannot be built here is not compared. `build`: build_model.
    """
    types = (theirs.MODEL.TYPE, cfg.MODEL.TYPE)
    if types[0] == types[1] or "" in types:
        return []
    try:
        check_values(theirs, {key: "" for key, row in declared_keys().items() if row.decides == "network"})
        there = _on_meta(build, with_value(theirs, "MODEL.NUM_CLASSES", cfg.MODEL.NUM_CLASSES))
    except ValueError:
        return []
    here = _on_meta(build, cfg)
    if any(kind in LIBRARIES for kind in types):
        return library_differences(there, _called(theirs), here, _called(cfg))
    old, new = _layers(there), _layers(here)
    names = [name for name in old.keys() & new.keys() if old[name] != new[name]]
    if not names:
        return []
    name, *others = sorted(names)
    more = f" ({listed(others, 3)} differ, too)" if others else ""
    return [f"layer {name} of its network ({types[0]}) is {old[name]}, of this config's ({types[1]}) {new[name]}{more}"]


def _on_meta(build: Callable[[CfgNode], nn.Module], cfg: CfgNode) -> nn.Module:
    with torch.device("meta"):
        return build(cfg)


def _called(cfg: CfgNode) -> str:
    return f"{cfg.MODEL.TYPE} {cfg.MODEL.NAME if cfg.MODEL.TYPE in LIBRARIES else ''}".strip()


def _layers(model: nn.Module) -> dict[str, str]:
    """Return what each layer of a network computes beside its tensors, by name."""
    return {name: _describe(module) for name, module in model.named_modules() if not any(module.children())}


def _describe(module: nn.Module) -> str:
    values: dict[str, Any] = {name: getattr(module, name) for name in _ATTRIBUTES if hasattr(module, name)}
    return f"{type(module).__name__}({', '.join(f'{name} {value}' for name, value in values.items())})"
