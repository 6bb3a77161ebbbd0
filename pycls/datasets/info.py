"""What a data set says of itself besides its files; `DATASETS` is filled in by the package, and by outside code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from pycls.core.registry import pick

RGB = tuple[float, float, float]
Color = tuple[float, ...]  # a number for each channel
LUMA = (0.299, 0.587, 0.114)  # what gray is of red, green and blue (ITU-R BT.601), as in Pillow and libjpeg
_ALPHA = 0.5
_SMALL_PX = 64


@dataclass(frozen=True)
class Dataset:
    """What there is to know about a data set besides its files."""

    build: Callable[[CfgNode, str], Any]  # (cfg, "train" | "test") -> Samples, which name the classes
    mean: RGB  # of the training pixels, 0..1
    std: RGB
    lighting: bool = False  # whether TRAIN.PCA_STD applies
    im_size: int | None = None  # side of array data, px; None: files of any size
    small_images: bool | None = None  # for networks with a variant for such; None: array data below 64 px have them
    divisible: bool = False  # whether build gives all images in either phase where DATA.VAL_FRACTION or FOLDS are set
    auto_augment: str = "imagenet"  # whose policy TRAIN.AUGMENT AutoAugment is: a name in AUTO_POLICIES

    def __post_init__(self) -> None:
        for name, color in (("mean", self.mean), ("std", self.std)):
            if len(color) != 3 or not all(0 <= part <= 1 for part in color):
                raise ValueError(f"Dataset.{name} must be three numbers between 0 and 1 (R, G, B), got {color}")
        if 0 in self.std:
            raise ValueError(f"Dataset.std must be above 0, got {self.std}")

    @property
    def has_small_images(self) -> bool:
        """Whether networks that have a variant for small images (He et al. 2016, section 4.2) take that one."""
        if self.small_images is None:
            return self.im_size is not None and self.im_size < _SMALL_PX
        return self.small_images


DATASETS: dict[str, Dataset] = {}


def find_dataset(cfg: CfgNode, phase: str) -> Dataset:
    """Return the data set of a phase, "train" or "test"; ValueError for a name that is not in the table."""
    return pick(DATASETS, cfg[phase.upper()].DATASET, f"{phase.upper()}.DATASET")


def color_scale(cfg: CfgNode, phase: str) -> tuple[Color, Color]:
    """Return mean and standard deviation of the normalization, 0..1, a number for each of DATA_LOADER.CHANNELS.

    They are DATA_LOADER's, else those of the data set: for gray the luma of its RGB, for alpha 0.5 and 0.5.
    """
    dataset, count = find_dataset(cfg, phase), cfg.DATA_LOADER.CHANNELS
    mean, std = tuple(cfg.DATA_LOADER.MEAN), tuple(cfg.DATA_LOADER.STD)
    return mean or _of_channels(dataset.mean, count), std or _of_channels(dataset.std, count)


def _of_channels(color: RGB, count: int) -> Color:
    if count == 1:
        return (sum(weight * part for weight, part in zip(LUMA, color, strict=True)),)
    return color if count == len(color) else (*color, _ALPHA)
