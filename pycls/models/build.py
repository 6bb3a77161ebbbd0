"""Network families by MODEL.TYPE. A new one is a file with a `build_` function and a line in MODELS."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core.registry import pick
from pycls.core.weights.input_channels import RGB_CHANNELS, set_input_channels
from pycls.core.weights.origin import mark_check
from pycls.models.anynet import build_anynet
from pycls.models.complexity.size import check_size, counted_tensors
from pycls.models.cutmix_resnet import build_cutmix_resnet
from pycls.models.densenet import build_densenet
from pycls.models.effnet import build_effnet
from pycls.models.external.timm_models import build_timm
from pycls.models.external.torchvision_models import build_torchvision
from pycls.models.heads import HEADS
from pycls.models.layers.blurpool import add_blurpool
from pycls.models.layers.residual import add_stochastic_depth
from pycls.models.lip_resnet import build_lip_resnet
from pycls.models.mobilenet import build_mobilenet
from pycls.models.pyramidnet import build_pyramidnet
from pycls.models.regnet import build_regnet
from pycls.models.resnet import build_resnet
from pycls.models.stored_network.differences import differences
from pycls.models.vit import build_vit

MODELS: dict[str, Callable[[CfgNode], nn.Module]] = {
    "anynet": build_anynet,
    "cutmix_resnet": build_cutmix_resnet,
    "densenet": build_densenet,
    "effnet": build_effnet,
    "mobilenet": build_mobilenet,
    "lip_resnet": build_lip_resnet,
    "pyramidnet": build_pyramidnet,
    "regnet": build_regnet,
    "resnet": build_resnet,
    "timm": build_timm,
    "torchvision": build_torchvision,
    "vit": build_vit,
}


def build_model(cfg: CfgNode) -> nn.Module:
    """Build the network of MODEL.TYPE, initialized, on the current default device.

    It maps normalized floats (N, C, H, W) to logits (N, K); C is DATA_LOADER.CHANNELS, 3 for RGB. ValueError for values
    that make no network, and for one that does not fit into memory.
    """
    if cfg.MODEL.NUM_CLASSES == 0:
        raise ValueError("MODEL.NUM_CLASSES 0 is as many as the data has classes, but no data is at hand: set a number")
    if not cfg.MODEL.TYPE:
        raise ValueError("MODEL.TYPE is not set: give a config (--cfg FILE), or for instance MODEL.TYPE resnet")
    what = f"MODEL.TYPE {cfg.MODEL.TYPE}"
    if torch.get_default_device().type == "meta":
        with counted_tensors(what):
            return _build(cfg)
    check_size(partial(_build, cfg), what)
    return mark_check(_build(cfg), partial(differences, cfg, build_model, is_start=True))


def _build(cfg: CfgNode) -> nn.Module:
    model = pick(MODELS, cfg.MODEL.TYPE, "MODEL.TYPE")(cfg)
    if cfg.DATA_LOADER.CHANNELS != RGB_CHANNELS:
        set_input_channels(model, cfg.DATA_LOADER.CHANNELS, f"{cfg.MODEL.TYPE} {cfg.MODEL.NAME}".strip())
    pick(HEADS, cfg.MODEL.HEAD, "MODEL.HEAD")(model, cfg)
    if cfg.MODEL.BLURPOOL and not add_blurpool(model):
        raise ValueError(f"MODEL.BLURPOOL True: {cfg.MODEL.TYPE} has no plain strided convolution to blur for")
    if cfg.MODEL.STOCHASTIC_DEPTH:
        _build_stochastic_depth(cfg, model)
    return model


def _build_stochastic_depth(cfg: CfgNode, model: nn.Module) -> None:
    ratio, kind = cfg.MODEL.STOCHASTIC_DEPTH, cfg.MODEL.TYPE
    if not add_stochastic_depth(model, ratio):
        hint = {"effnet": "use EN.DC_RATIO", "mobilenet": "use MB.DC_RATIO"}.get(kind, "set it to 0")
        raise ValueError(f"MODEL.STOCHASTIC_DEPTH {ratio}: {kind} has no residual blocks that heed it; {hint}")
