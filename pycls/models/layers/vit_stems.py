"""Stems of vision transformers, from pixels to tokens: (N, 3, S, S) -> (N, D, S / patch, S / patch)."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.models.layers.basic import Style, build_style, conv2d, named_sequential


def patch_stem(width: int, patch_size: int) -> nn.Sequential:
    """Return one linear map of square patches: (N, 3, S, S) -> (N, width, S / patch_size, S / patch_size)."""
    return named_sequential([("patchify", nn.Conv2d(3, width, patch_size, stride=patch_size))])


def conv_stem(dims: Sequence[int], strides: Sequence[int], last_kernel: int, style: Style) -> nn.Sequential:
    """Return 3x3 convolutions with BatchNorm and activation, and a last one with bias and neither."""
    layers: list[tuple[str, nn.Module]] = []
    w_in = 3
    for i, (width, stride) in enumerate(zip(dims[:-1], strides[:-1], strict=True)):
        conv = conv2d(w_in, width, 3, stride=stride)
        layers += [(f"cstem{i}_conv", conv), (f"cstem{i}_bn", style.norm(width)), (f"cstem{i}_af", style.act())]
        w_in = width
    last = conv2d(w_in, dims[-1], last_kernel, stride=strides[-1], bias=True)
    return named_sequential([*layers, ("cstem_last_conv", last)])


@torch.no_grad()
def init_stem(stem: nn.Sequential) -> None:
    """Initialize in place as pycls: patches by fan-in, convolutions by their outputs without the kernel's area."""
    for name, layer in stem.named_children():
        if isinstance(layer, nn.Conv2d):
            _init_conv(name, layer)


def _init_conv(name: str, conv: nn.Conv2d) -> None:
    if name == "patchify":
        nn.init.trunc_normal_(conv.weight, std=math.sqrt(1.0 / conv.weight[0].numel()))
    else:
        conv.weight.normal_(std=math.sqrt((1.0 if conv.bias is not None else 2.0) / conv.out_channels))
    if conv.bias is not None:
        conv.bias.zero_()


def build_patch_stem(cfg: CfgNode) -> nn.Sequential:
    """Build the stem of VIT.PATCH_SIZE."""
    return patch_stem(cfg.VIT.HIDDEN_DIM, cfg.VIT.PATCH_SIZE)


def build_conv_stem(cfg: CfgNode) -> nn.Sequential:
    """Build the stem of the VIT.C_STEM keys; its activation is always relu."""
    keys = cfg.VIT
    kernels, strides, dims = keys.C_STEM_KERNELS, keys.C_STEM_STRIDES, keys.C_STEM_DIMS
    _check_conv_stem(keys)
    if any(kernel != 3 for kernel in kernels[:-1]):
        warnings.warn(f"VIT.C_STEM_KERNELS {kernels}: all but the last are built as 3, as pycls does", stacklevel=2)
    return conv_stem(dims, strides, kernels[-1], replace(build_style(cfg), activation="relu"))


def _check_conv_stem(keys: CfgNode) -> None:
    """Raise ValueError unless the lists fit each other, PATCH_SIZE and HIDDEN_DIM."""
    names = ("C_STEM_KERNELS", "C_STEM_STRIDES", "C_STEM_DIMS")
    lengths = [len(keys[name]) for name in names]
    if len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(f"VIT.{', VIT.'.join(names)} have {lengths} values: expected one per convolution each")
    if keys.C_STEM_KERNELS[-1] % 2 == 0:
        raise ValueError(f"VIT.C_STEM_KERNELS: the last one must be odd, got {keys.C_STEM_KERNELS[-1]}")
    if math.prod(keys.C_STEM_STRIDES) != keys.PATCH_SIZE:
        product = math.prod(keys.C_STEM_STRIDES)
        raise ValueError(f"VIT.C_STEM_STRIDES: their product is {product}, expected VIT.PATCH_SIZE {keys.PATCH_SIZE}")
    if keys.C_STEM_DIMS[-1] != keys.HIDDEN_DIM:
        last = keys.C_STEM_DIMS[-1]
        raise ValueError(f"VIT.C_STEM_DIMS: the last one is {last}, expected VIT.HIDDEN_DIM {keys.HIDDEN_DIM}")


VIT_STEMS = {"patchify": build_patch_stem, "conv": build_conv_stem}
