"""The first convolution for another number of channels than RGB (DATA_LOADER.CHANNELS): of a network, and of a file."""

import math

import torch
from torch import Tensor, nn

from pycls.core.weights.usable import unreadable

RGB_CHANNELS = 3
_MARK = "input_channels"  # attribute of a network that does not see RGB


def adapt_channels(weight: Tensor, num_channels: int) -> Tensor:
    """Turn filters over RGB, (out, 3, k, k), into ones over `num_channels`, by timm's rule.

    One channel: their sum, which sees in a gray image what they saw in the same one as RGB. More: they are repeated,
    R G B R G ..., times 3 / num_channels, so that equal channels give what they gave before.
    """
    assert weight.shape[1] == RGB_CHANNELS
    if num_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight.repeat(1, math.ceil(num_channels / RGB_CHANNELS), 1, 1)[:, :num_channels]
    return repeated * (RGB_CHANNELS / num_channels)


def input_channels(model: nn.Module) -> int:
    """Return the channels of the images that a network was built for."""
    return getattr(model, _MARK, RGB_CHANNELS)


def mark_input_channels(model: nn.Module, num_channels: int) -> nn.Module:
    """Note how many channels a network was built for, and return it."""
    if num_channels != RGB_CHANNELS:
        setattr(model, _MARK, num_channels)
    return model


@torch.no_grad()
def set_input_channels(model: nn.Module, num_channels: int, name: str) -> nn.Module:
    """Make the first convolution, which sees RGB, see `num_channels`, in place: (N, num_channels, H, W) -> as before.

    Its weights change as those of a file do, so a fresh network computes of a gray image what it would of the same one
    as RGB. ValueError, naming the network, where there is no such convolution.
    """
    if input_channels(model) == num_channels:
        return model
    conv = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if conv is None or conv.in_channels != RGB_CHANNELS or conv.groups != 1:
        raise ValueError(
            f"DATA_LOADER.CHANNELS {num_channels}: {name} has no convolution over RGB at its beginning to adapt; "
            f"leave it at {RGB_CHANNELS}"
        )
    conv.weight = nn.Parameter(adapt_channels(conv.weight, num_channels))
    conv.in_channels = num_channels
    return mark_input_channels(model, num_channels)


def adapt_stem(target: dict[str, Tensor], tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Return a file's tensors with the first convolution made to fit the target's input channels, and a note if it was.

    Only filters over RGB are adapted.
    """
    name = next((name for name, tensor in target.items() if _needs_adapting(tensor, tensors.get(name))), None)
    if name is None:
        return tensors, []
    wanted = target[name].shape
    how = "summed over RGB" if wanted[1] == 1 else f"repeated, times {RGB_CHANNELS}/{wanted[1]}"
    note = f"{name} adapted from {RGB_CHANNELS} input channels to {wanted[1]} ({how})"
    return tensors | {name: adapt_channels(tensors[name], wanted[1])}, [note]


def _needs_adapting(ours: Tensor, theirs: Tensor | None) -> bool:
    """Tell whether a file's tensor holds filters over RGB and the network's the same ones over other channels."""
    if theirs is None or unreadable(theirs) or ours.dim() != 4 or theirs.dim() != 4 or theirs.shape[1] != RGB_CHANNELS:
        return False
    fits = theirs.shape[0] == ours.shape[0] and theirs.shape[2:] == ours.shape[2:]
    return fits and ours.shape[1] != RGB_CHANNELS
