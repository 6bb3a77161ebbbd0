"""torchvision's classification networks: MODEL.TYPE torchvision, MODEL.NAME resnet50, vit_b_16, ...

Layers, initialization and names of weights are torchvision's, so its checkpoints fit. Importing torchvision takes a
second, so it happens in the functions that need it.
"""

import contextlib
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.config.im_size import ImSize, is_square, sides, size_text
from pycls.core.weights.input_channels import RGB_CHANNELS, set_input_channels
from pycls.models.external import build_foreign, check_name
from pycls.models.external.pretrained_cfg import Published, pick_tag

# Their published weights expect inputs scaled to -1 .. 1, which the network then does itself.
_SCALES_RGB = ("googlenet", "inception_v3")


def build_torchvision(cfg: CfgNode) -> nn.Module:
    """Build the network of torchvision that MODEL.NAME names: (N, 3, S, S) -> (N, K)."""
    return build_foreign(cfg, "torchvision", torchvision_names(), torchvision_model)


def torchvision_names() -> list[str]:
    """Return the names of all classification networks of the installed torchvision."""
    from torchvision import models

    return models.list_models(module=models)


def torchvision_model(name: str, num_classes: int, im_size: ImSize, channels: int = RGB_CHANNELS) -> nn.Module:
    """Return a fresh network with plain logits (N, K): auxiliary heads are left out."""
    from torchvision import models

    if name in _SCALES_RGB and channels != RGB_CHANNELS:
        raise ValueError(f"DATA_LOADER.CHANNELS {channels}: {name} scales the three of RGB itself; leave it at 3")
    with _widths_on_cpu(name):
        model = models.get_model(name, weights=None, num_classes=num_classes, **_options(name, im_size))
    set_input_channels(model, channels, name)
    return model.to(torch.empty(0).device)  # the default device


def _options(name: str, im_size: ImSize) -> dict[str, Any]:
    """Return what a family needs to be told; ValueError for an image size that a transformer cannot cut."""
    if name in _SCALES_RGB:
        return {"aux_logits": False, "transform_input": True, "init_weights": True}
    if name.startswith("vit_"):
        if not is_square(im_size):
            raise ValueError(f"TRAIN.IM_SIZE: {name} of torchvision takes squares only, got {size_text(im_size)}")
        _check_multiple(name, im_size, int(name.rpartition("_")[2]))
        return {"image_size": sides(im_size)[0]}
    if name.startswith("maxvit"):
        _check_multiple(name, im_size, 7 * 32)  # windows of 7 pixels at every stride up to 32
        return {"input_size": sides(im_size)}
    return {}


def _check_multiple(name: str, im_size: ImSize, step: int) -> None:
    for side in sides(im_size):
        if side % step:
            near = max(step, round(side / step) * step)
            raise ValueError(
                f"TRAIN.IM_SIZE: {name} takes multiples of {step} pixels only, got {side} (nearest: {near})"
            )


def _widths_on_cpu(name: str) -> contextlib.AbstractContextManager:
    """Return a context in which RegNets can be built: they compute their widths with tensors, which need data."""
    return torch.device("cpu") if name.startswith("regnet") else contextlib.nullcontext()


def torchvision_weights(name: str, tag: str) -> Published:
    """Describe the published weights `tag` of a network, such as resnet50 IMAGENET1K_V2; ValueError if unknown."""
    from torchvision import models

    check_name(name, torchvision_names(), "torchvision", "weights")
    choices = {weights.name: weights for weights in models.get_model_weights(name)}
    weights = choices[pick_tag(name, tag, choices)]
    view = weights.transforms()
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    return Published(
        network=name,
        tag=weights.name,
        url=weights.url,
        crop_px=view.crop_size[0],
        resize_px=view.resize_size[0],
        interpolation=view.interpolation.value,
        mean=tuple(view.mean),
        std=tuple(view.std),
        top1_err=round(100 - accuracy["acc@1"], 3),
        top5_err=round(100 - accuracy["acc@5"], 3),
    )
