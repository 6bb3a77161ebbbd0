"""What a network's parts are by their names: blocks, layers, the classifier."""

import re
from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise

from torch import Tensor, nn

_DIGIT = re.compile(r"\d")
_INNER = re.compile(r"[a-z]?\d+|denselayer\d+|block\d+-\d+")  # a block in a numbered stage
_AFTER_CLASSIFIER = ("uncertainty.",)  # linear layers that come behind the classifier (IDML's head)


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


def classifier_weight(target: Mapping[str, Tensor]) -> str:
    """Return the name of the last weight matrix or kernel, "" if there is none."""
    layers = _weights(target)
    return layers[-1] if layers else ""


def classifier_weights(target: Mapping[str, Tensor]) -> list[str]:
    """Return the last weight matrix or kernel, and one beside it as distilled networks have; empty if there is none.

    Of two layers one behind the other only square ones can have the same shape.
    """
    layers = _weights(target)
    shapes = [target[key].shape for key in layers[-2:]]
    are_twins = len(shapes) == 2 and shapes[0] == shapes[1] and shapes[0][0] != shapes[0][1]
    return layers[-2:] if are_twins else layers[-1:]


def _weights(target: Mapping[str, Tensor]) -> list[str]:
    return [key for key, value in target.items() if value.dim() >= 2 and not key.startswith(_AFTER_CLASSIFIER)]


def in_classifier(name: str, classifier: str) -> bool:
    """Tell whether a tensor belongs to the layer of `classifier` (from `classifier_weight`) or comes behind it."""
    return bool(classifier) and name.startswith((classifier.removesuffix("weight"), *_AFTER_CLASSIFIER))


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """Return the blocks in the order of the parameters: numbered layers (s1.b2, encoder.block_0) with layers inside.

    These are the layers of OPTIM.LAYER_DECAY. What lies outside of them (stem, head) is in none.
    """
    names = dict.fromkeys(block_names(name for name, _ in model.named_parameters()).values())
    modules = [model.get_submodule(name) for name in names if name]
    return [module for module in modules if _is_called(module)]


def _is_called(module: nn.Module) -> bool:
    """Tell a block from a mere list of modules."""
    return type(module).forward is not nn.Module.forward
