"""What a training step or a forward pass takes at least, before it is tried: Linux rather ends a program than refuses.

A copy of the network without data sees one image; what autograd keeps of it, or the largest map, is counted.
"""

import math
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.config.im_size import ImSize, sides
from pycls.core.machine import free_memory_bytes
from pycls.core.weights.input_channels import input_channels
from pycls.models.complexity import layer_table, meta_twin

_HALF = 0.5  # with mixed precision a part of what is kept has 16 bits


def check_training_step(cfg: CfgNode, model: nn.Module) -> None:
    """Raise ValueError for a step of a training that this machine's memory cannot hold; a GPU would say so itself.

    What keeps less than a plain step does is not judged: frozen parts, blocks computed again, sizes that change.
    """
    if cfg.TRAIN.FROZEN or cfg.TRAIN.ACTIVATION_CHECKPOINT or cfg.TRAIN.IM_SIZE_SCHEDULE:
        return
    if distributed.pick_device(cfg.DEVICE).type == "cpu":
        num_images = cfg.TRAIN.BATCH_SIZE // distributed.requested_world_size(cfg.NUM_GPUS) // cfg.OPTIM.ACCUM_STEPS
        key, way_out = f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE}", ", or raise OPTIM.ACCUM_STEPS"
        check_step(model, cfg.TRAIN.IM_SIZE, num_images, cfg.TRAIN.MIXED_PRECISION, key, way_out)


def check_step(model: nn.Module, im_size: ImSize, num_images: int, mixed: bool, key: str, way_out: str) -> None:
    """Raise ValueError unless a training step of so many images at a time may fit into the memory of this machine.

    `key` names what was asked for; `way_out` what to do besides.
    """
    _check(kept_bytes(model, im_size) * (_HALF if mixed else 1), num_images, f"{key}: a training step", way_out)


def check_forward(model: nn.Module, im_size: ImSize, num_images: int, key: str) -> None:
    """Raise ValueError unless so many images may be evaluated at once in the memory of this machine."""
    largest = max((math.prod(row["output_shape"]) for row in layer_table(model, im_size)), default=0)
    image = input_channels(model) * math.prod(sides(im_size))
    _check(4 * (image + largest), num_images, f"{key}: a forward pass", "")


def kept_bytes(model: nn.Module, im_size: ImSize) -> int:
    """Return what autograd keeps of one image for the backward pass, at least: attention's products are left out."""
    twin = meta_twin(model)
    for layer in twin.modules():
        if type(layer) is nn.BatchNorm2d and layer.weight is not None:
            layer.forward = partial(_scaled, layer.weight)  # type: ignore[method-assign]
    weights = {_storage(parameter) for parameter in twin.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if _storage(tensor) not in weights:
            kept[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with _NoAttention(), saved_tensors_hooks(note, lambda tensor: tensor):
        out = twin(torch.empty(1, input_channels(twin), *sides(im_size), device="meta"))
    del out  # until here storages are alive, so that none has the address of another
    return sum(kept.values())


def _scaled(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Keep what a batch norm keeps, its input; to compute the shapes of a real one takes long."""
    return x * weight.view(1, -1, 1, 1)


class _NoAttention(TorchFunctionMode):
    """Leaves out attention's products, of which a fused kernel keeps nothing, and another one most of all."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is not torch.nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, _, value = (*args, *(kwargs or {}).values())[:3]
        return value[..., :1, :].expand(*query.shape[:-1], value.shape[-1])


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _check(bytes_an_image: float, num_images: int, what: str, way_out: str) -> None:
    free = free_memory_bytes()
    if bytes_an_image * num_images > free:
        needed, fits = f"{bytes_an_image * num_images / 1e9:,.1f} GB", int(free // bytes_an_image)
        hint = f"; at most {fits:,} images fit" if fits else "; not even one image fits: lower TRAIN.IM_SIZE"
        raise ValueError(
            f"{what} of {num_images:,} images takes {needed} of memory at least, {free / 1e9:,.1f} GB are free here"
            f"{hint}{way_out}"
        )
