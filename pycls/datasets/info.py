"""What there is to know about a data set besides its files: pixel statistics and size."""

from typing import NamedTuple

from yacs.config import CfgNode

from pycls.core.registry import pick

RGB = tuple[float, float, float]


class DatasetInfo(NamedTuple):
    mean: RGB
    std: RGB
    lighting: bool = False
    im_size: int | None = None


INFO = {
    "imagenet": DatasetInfo((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), True, None),
    "imagenet-21k": DatasetInfo((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), True, None),
    "cifar10": DatasetInfo((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255), False, 32),
    "cifar100": DatasetInfo((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255), False, 32),
    "fashion_mnist": DatasetInfo((0.286, 0.286, 0.286), (0.353, 0.353, 0.353), False, 28),
    "digits": DatasetInfo((0.3091, 0.3091, 0.3091), (0.3489, 0.3489, 0.3489), False, None),
}


def colour_scale(cfg: CfgNode, phase: str) -> tuple[RGB, RGB]:
    """Return mean and standard deviation of the normalization, RGB, 0..1: DATA_LOADER's, else those of the data set."""
    info = pick(INFO, cfg[phase.upper()].DATASET, f"{phase.upper()}.DATASET")
    return tuple(cfg.DATA_LOADER.MEAN) or info.mean, tuple(cfg.DATA_LOADER.STD) or info.std
