"""The view of an image that the figures of published weights were measured with."""

from pathlib import Path

from yacs.config import CfgNode

from pycls.core.config import load_cfg
from pycls.core.config.shipped_configs import configs_dir
from pycls.core.weights.sources import ZOO, zoo_name, zoo_url
from pycls.datasets import color_scale
from pycls.models.external.pretrained_cfg import Published
from pycls.models.external.weights_url import weights_url
from pycls.models.model_zoo import zoo_config

PACKAGE_CONFIGS = {"EfficientNet-Lite0": "efficientnet_lite/EN-Lite0.yaml"}


def published_view(name: str) -> Published | None:
    """Return what is known of weights by their name, address or file name; None if they are not published ones.

    Of torchvision and timm it is their preset; of pycls's zoo and of packages, the view in the config of that name.
    """
    _, published = weights_url(name)
    known = _known_name(name)
    return _of_config(known) if published is None and known else published


def _known_name(name: str) -> str:
    """Return the name in pycls's zoo, or of a package, that a name, an address or a file's name means; or ""."""
    found = zoo_name(name)
    if found in ZOO or found in PACKAGE_CONFIGS:
        return found
    is_file = [known for known, training in ZOO.items() if Path(training).name == Path(name).stem]
    return next(iter(is_file), "")


def _of_config(known: str) -> Published:
    file = configs_dir() / PACKAGE_CONFIGS[known] if known in PACKAGE_CONFIGS else zoo_config(known)
    cfg: CfgNode = load_cfg(str(file))
    mean, std = color_scale(cfg, "test")
    return Published(
        network=known,
        tag="",
        url=zoo_url(known) or "",
        crop_px=cfg.TRAIN.IM_SIZE,
        resize_px=cfg.TEST.IM_SIZE,
        interpolation=cfg.TEST.INTERPOLATION,
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        antialias=cfg.DATA_LOADER.ANTIALIAS,
    )
