"""timm's networks: MODEL.TYPE timm, MODEL.NAME resnet50, vit_tiny_patch16_224, ... (optional package timm)."""

import importlib.util
from typing import Any

from torch import nn
from yacs.config import CfgNode

from pycls.core.config.im_size import ImSize, sides
from pycls.core.weights.input_channels import RGB_CHANNELS, mark_input_channels
from pycls.models.external import build_foreign, cannot_take, check_name
from pycls.models.external.pretrained_cfg import Published, pick_tag

_HOST = "https://huggingface.co"


def build_timm(cfg: CfgNode) -> nn.Module:
    """Build the network of timm that MODEL.NAME names: (N, 3, S, S) -> (N, K)."""
    return build_foreign(cfg, "timm", timm_names(), timm_model)


def timm_names() -> list[str]:
    """Return the names of all networks of the installed timm; ValueError if there is none."""
    if importlib.util.find_spec("timm") is None:
        raise ValueError('MODEL.TYPE: timm is not installed: pip install "timm>=1.0.23" (the extra timm)')
    import timm

    return timm.list_models()


def timm_model(name: str, num_classes: int, im_size: ImSize, channels: int = RGB_CHANNELS) -> nn.Module:
    """Return a fresh network with plain logits (N, K); one made for a single image size is made for this one."""
    import timm

    preset = timm.get_pretrained_cfg(name)
    options: dict[str, Any] = {"img_size": _plain(im_size)} if preset and preset.fixed_input_size else {}
    options |= {} if channels == RGB_CHANNELS else {"in_chans": channels}  # one that has no such option says so
    try:
        model = timm.create_model(name, pretrained=False, num_classes=num_classes, **options)
        return mark_input_channels(model, channels)
    except (AssertionError, ValueError) as error:  # of networks whose image size is not free
        raise cannot_take(name, im_size, error) from error
    except TypeError as error:
        if "in_chans" not in str(error):
            raise
        raise ValueError(f"DATA_LOADER.CHANNELS {channels}: {name} sees RGB only; leave it at 3") from error


def _plain(im_size: ImSize) -> int | tuple[int, int]:
    """Return a size as timm takes it."""
    return im_size if isinstance(im_size, int) else sides(im_size)


def timm_weights(name: str, tag: str) -> Published:
    """Describe the published weights `tag` of a network, such as resnet50 a1_in1k; ValueError if unknown."""
    check_name(name, timm_names(), "timm", "weights")
    import timm

    known = timm.list_models(f"{name}.*", pretrained=True)
    tag = pick_tag(name, tag, [full.partition(".")[2] for full in known])
    preset = timm.get_pretrained_cfg(f"{name}.{tag}")
    assert preset is not None  # it is in the list
    crop_px = preset.input_size[-1]
    return Published(
        network=name,
        tag=tag,
        url=f"{_HOST}/{preset.hf_hub_id}/resolve/main/{preset.hf_hub_filename or 'model.safetensors'}",
        crop_px=crop_px,
        resize_px=int(crop_px / preset.crop_pct),
        interpolation=preset.interpolation,
        mean=(preset.mean[0], preset.mean[1], preset.mean[2]),
        std=(preset.std[0], preset.std[1], preset.std[2]),
    )
