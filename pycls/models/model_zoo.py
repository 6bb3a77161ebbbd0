"""pycls's library call: networks by the names of its model zoo, with its published weights where asked.

pycls.models.regnetx("400MF", pretrained=True, cfg_list=("MODEL.NUM_CLASSES", 100))
"""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from pycls.core.checkpoint import load_weights
from pycls.core.config import load_cfg
from pycls.core.config.shipped_configs import configs_dir
from pycls.core.logging import get_logger
from pycls.core.registry import did_you_mean
from pycls.core.weights.sources import ZOO
from pycls.models.build import build_model

logger = get_logger(__name__)

# The config of a name: its first part chooses the pattern, the rest fills the braces.
FILES = {
    "RegNetX-": "dds_baselines/regnetx/RegNetX-{}_dds_8gpu.yaml",
    "RegNetY-": "dds_baselines/regnety/RegNetY-{}_dds_8gpu.yaml",
    "ResNet-": "dds_baselines/resnet/R-{}-1x64d_dds_8gpu.yaml",
    "ResNeXt-": "dds_baselines/resnext/X-{}-32x4d_dds_8gpu.yaml",
    "EfficientNet-": "dds_baselines/effnet/EN-{}_dds_8gpu.yaml",
    "ViT-": "vitconv_baselines/vit/ViT-{}_adamw_*gpus.yaml",
}


def regnetx(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build a RegNetX, "200MF" to "32GF"; `cfg_list` is KEY, VALUE, KEY, VALUE over its config."""
    return build_zoo_model("RegNetX-", name, pretrained, cfg_list)


def regnety(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build a RegNetY, "200MF" to "32GF"."""
    return build_zoo_model("RegNetY-", name, pretrained, cfg_list)


def resnet(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build a ResNet, "50", "101" or "152"."""
    return build_zoo_model("ResNet-", name, pretrained, cfg_list)


def resnext(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build a ResNeXt 32x4d, "50", "101" or "152"."""
    return build_zoo_model("ResNeXt-", name, pretrained, cfg_list)


def effnet(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build an EfficientNet, "B0" to "B5"."""
    return build_zoo_model("EfficientNet-", name, pretrained, cfg_list)


def vit(name: str, pretrained: bool = False, cfg_list: Sequence = ()) -> nn.Module:
    """Build a vision transformer with patches or convolutions, "P-1.0GF" or "C-1.0GF" to "36GF"; no weights exist."""
    return build_zoo_model("ViT-", name, pretrained, cfg_list)


def build_zoo_model(prefix: str, name: str, pretrained: bool, cfg_list: Sequence) -> nn.Module:
    """Build the network of a name with or without its prefix; ValueError names the nearest one and missing weights."""
    full_name = prefix + name.removeprefix(prefix)
    cfg = load_cfg(str(zoo_config(full_name)), [str(word) for word in cfg_list])
    if pretrained and full_name not in ZOO:
        raise ValueError(f"{full_name}: pycls publishes no weights for it; use pretrained=False")
    model = build_model(cfg)
    if pretrained:
        logger.info("%s: %s", full_name, load_weights(model, full_name, cfg.DOWNLOAD_CACHE))
    return model


def zoo_configs() -> dict[str, Path]:
    """Return {"RegNetX-200MF": its config file, ...} of all networks."""
    found = {}
    for prefix, pattern in FILES.items():
        before, after = pattern.split("{}")
        start, end = Path(before).name, after.split("*")[0]  # what stands around 400MF in RegNetX-400MF_dds_8gpu.yaml
        for path in sorted(configs_dir().glob(f"{before}*{after}")):
            found[prefix + path.name.removeprefix(start).split(end)[0]] = path
    return found


def zoo_config(name: str) -> Path:
    """Return the config file of a name; ValueError names the nearest known one."""
    configs = zoo_configs()
    if name not in configs:
        raise ValueError(f"{name}: no network of the model zoo{did_you_mean(name, configs)}")
    return configs[name]
