"""Parameter groups with their weight decay and their factor on the learning rate."""

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from torch import nn

from pycls.core.weights import classifier_weights, in_classifier

_DIGIT = re.compile(r"\d")
_INNER = re.compile(r"[a-z]?\d+|denselayer\d+|block\d+-\d+")  # a block in a numbered stage
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


def param_groups(model: nn.Module, weight_decays: dict[str, float], lr_scales: dict[str, float]) -> list[dict]:
    """Return optimizer groups in pycls's order (bn, ln, bias, rest), empty ones left out, so that its states load.

    Each is cut by the factor on the learning rate of its parameters, `lr_scale` of the group.
    """
    members = {(role, scale): [] for role in ("bn", "ln", "bias", "rest") for scale in sorted(set(lr_scales.values()))}
    for name, parameter, role in named_roles(model):
        if parameter.requires_grad:
            members[role, lr_scales[name]].append(parameter)
    return [
        {"params": params, "weight_decay": weight_decays[role], "lr_scale": scale}
        for (role, scale), params in members.items()
        if params
    ]


def lr_scales(model: nn.Module, backbone_ratio: float = 1.0, layer_decay: float = 1.0) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter by name, 1 in the classifier, or in both of two.

    `backbone_ratio` is that of all others, times `layer_decay` for each layer above them (Clark et al. 2020).
    """
    parameters = dict(model.named_parameters())
    classifiers, layers = classifier_weights(parameters), layer_numbers(parameters)
    top = layers[classifiers[0]] if classifiers else max(layers.values())
    scales = {name: backbone_ratio * layer_decay ** (top - layer) for name, layer in layers.items()}
    return {name: 1.0 if any(in_classifier(name, c) for c in classifiers) else s for name, s in scales.items()}


def layer_numbers(names: Iterable[str]) -> dict[str, int]:
    """Return {parameter name: number of its layer}, from 0, in the order of the names.

    A layer is a block (s1.b2, layer1.0, blocks.3, encoder_layer_5) with what stands between it and the block before, or
    all that stands in front of the first block, or behind the last, the classifier's layer (as BEiT counts). Without
    blocks (VGG) each module is one.
    """
    names = list(names)
    blocks = block_names(names)
    layers = _without_gaps(blocks[name] for name in names)
    if not any(layers):
        layers = [name.rpartition(".")[0] for name in names]
    rises = (layer != before for before, layer in pairwise([*layers[:1], *layers]))
    return dict(zip(names, accumulate(rises, int.__add__), strict=True))


def _without_gaps(blocks: Iterable[str]) -> list[str]:
    """Give what stands between two blocks to the one behind it, as timm does with the downsampling of a stage."""
    layers = list(blocks)
    stages = {layer for layer in set(layers) if any(other.startswith(f"{layer}.") for other in set(layers))}
    layers = ["" if layer in stages else layer for layer in layers]
    first = next((number for number, layer in enumerate(layers) if layer), len(layers))
    following = ""
    for number in reversed(range(first, len(layers))):
        following = layers[number] = layers[number] or following
    return layers


def block_names(names: Iterable[str]) -> dict[str, str]:
    """Return {parameter name: the innermost block that it lies in, "" outside of all}, in the order of the names."""
    names = list(names)
    blocks = {_block(name) for name in names}
    return {name: _longest(blocks, name) for name in names}


def _block(name: str) -> str:
    """Return the block that a parameter's name shows: a numbered module that holds modules itself; "" if none."""
    holders = name.split(".")[:-2]
    first = next((i for i, part in enumerate(holders) if _DIGIT.search(part)), None)
    if first is None:
        return ""
    inner = first + 1 + (holders[first + 1 : first + 2] == ["blocks"])  # stages.0.blocks.1
    deeper = inner < len(holders) and _INNER.fullmatch(holders[inner])
    return ".".join(holders[: inner + 1 if deeper else first + 1])


def _longest(blocks: set[str], name: str) -> str:
    """Return the innermost of the blocks that a parameter lies in, "" if none."""
    parts = name.split(".")
    return next((block for end in range(len(parts), 0, -1) if (block := ".".join(parts[:end])) in blocks), "")
