"""Parameter groups with their weight decay and, by layer, their share of the learning rate."""

import re
from collections.abc import Iterable, Iterator

from torch import nn

_NUMBERED = re.compile(r".*\d")
_BLOCK = re.compile(r"[a-z]?\d+")
_BATCH_NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


def named_roles(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, str]]:
    """Yield (name, parameter, role) in `named_parameters` order; role: "bn", "ln", "bias" or "rest".

    pycls looks for "bn" and "ln" in the name, which also catches `subnet`; here the module's type decides, which gives
    the same groups for its networks.
    """
    norms = {id(p): "bn" for m in model.modules() if isinstance(m, _BATCH_NORMS) for p in m.parameters(recurse=False)}
    norms |= {id(p): "ln" for m in model.modules() if isinstance(m, nn.LayerNorm) for p in m.parameters(recurse=False)}
    for name, parameter in model.named_parameters():
        other = "bias" if "bias" in name.rsplit(".", 1)[-1] else "rest"
        yield name, parameter, norms.get(id(parameter), other)


def param_groups(model: nn.Module, weight_decays: dict[str, float]) -> list[dict]:
    """Return optimizer groups in pycls's order (bn, ln, bias, rest), empty ones left out, so that its states load."""
    members: dict[str, list[nn.Parameter]] = {role: [] for role in ("bn", "ln", "bias", "rest")}
    for _, parameter, role in named_roles(model):
        if parameter.requires_grad:
            members[role].append(parameter)
    return [{"params": params, "weight_decay": weight_decays[role]} for role, params in members.items() if params]


def layer_groups(model: nn.Module, groups: list[dict], decay: float) -> list[dict]:
    """Cut each group by layer, with "lr_scale" decay ** (layers above it): 1 for the head (Clark et al. 2020)."""
    layers = layer_numbers(name for name, _ in model.named_parameters())
    number = {id(parameter): layers[name] for name, parameter in model.named_parameters()}
    top, cut = max(layers.values()), []
    for group in groups:
        for layer in sorted({number[id(p)] for p in group["params"]}):
            params = [p for p in group["params"] if number[id(p)] == layer]
            cut.append({**group, "params": params, "lr_scale": decay ** (top - layer)})
    return cut


def layer_numbers(names: Iterable[str]) -> dict[str, int]:
    """Return {parameter name: number of its layer}, from 0, in the order of the names.

    A layer is a block (s1.b2, layer1.0, blocks.3, encoder_layer_5) or, outside of them, a part of the network (stem,
    head); parameters of the network itself, a ViT's class token for instance, belong to the first.
    """
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(layer, len(numbers)) if (layer := _layer(name)) else 0 for name in names}


def _layer(name: str) -> str:
    """Return a parameter's layer: its name up to the first part with a digit, and to the next if that has one too."""
    parts = name.split(".")[:-1]
    first = next((i for i, part in enumerate(parts) if _NUMBERED.fullmatch(part)), None)
    if first is None:
        return parts[0] if parts else ""
    deeper = first + 1 < len(parts) and _BLOCK.fullmatch(parts[first + 1])
    return ".".join(parts[: first + 2 if deeper else first + 1])
