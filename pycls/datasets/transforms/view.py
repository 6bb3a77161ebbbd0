"""What is shown when: order, crops, flips and every other draw as pure functions of (seed, epoch, sample index).

Every backend asks here, so all of them show the same crops, for any number of workers and GPUs, and a run continues at
any step from two integers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from yacs.config import CfgNode

from pycls.core.config.im_size import ImSize, is_square, sides
from pycls.datasets.transforms.float_color_jitter import jitter_amounts
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.random_crop import CROP_LAWS, NUM_DRAWS, center_view, center_view_boxes
from pycls.datasets.transforms.random_erasing import NUM_DRAWS as NUM_ERASE_DRAWS
from pycls.datasets.transforms.random_erasing import erased_boxes
from pycls.datasets.transforms.rng import Stream, normals, uniforms

if TYPE_CHECKING:
    from pycls.datasets.transforms.augment import Augmentation


@dataclass(frozen=True)
class View:
    """What one phase shows of its images."""

    train: bool
    size: ImSize  # of what is shown, px: the side of a square, or height and width
    resize: ImSize  # eval, and center: what the resized image just covers before the center crop, px, in the same way
    area: tuple[float, float]  # train: crop area as a part of the image
    aspect: tuple[float, float]  # train: crop width / height
    flip_prob: float  # train: probability of a left-right flip
    crop_style: str  # "torchvision" | "pycls": random crops | "center": train as eval
    antialias: bool
    seed: int
    padding: int = 0  # train, array data: width of the border that shifted crops may show, px
    border: tuple[int, int, int] = (0, 0, 0)  # train, array data: its RGB color
    augment: "Augmentation | None" = None  # train: operations on the finished square
    erase_prob: float = 0.0  # train: probability of random erasing
    jitter: tuple[float, float, float] | None = None  # train: strengths of the color jitter of float_color_jitter.py
    channels: int = 3  # that the network sees; gray, 1, is made of RGB at the end
    full: bool = False  # whether pixels are float32 from 0 to 1, of all the bits of a file, instead of uint8
    exif_rotate: bool = False  # whether images are turned as their EXIF orientation says
    interpolation: str = "bilinear"  # "bilinear" | "bicubic" | "random": one of them, half the time each

    @property
    def crops_randomly(self) -> bool:
        """Whether random boxes of the image are shown; else its middle, resized whole."""
        return self.train and self.crop_style != "center"

    @property
    def is_rgb(self) -> bool:
        """Whether backends show RGB: for the networks that see RGB or gray."""
        return self.channels in (1, 3)

    @property
    def is_plain(self) -> bool:
        """Whether backends show 8 bits of RGB."""
        return self.is_rgb and not self.full

    @property
    def image_dtype(self) -> torch.dtype:
        """What the numbers are that backends hand over."""
        return torch.float32 if self.full else torch.uint8

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what backends hand over of each image."""
        return *sides(self.size), 3 if self.is_rgb else self.channels


def build_view(cfg: CfgNode, phase: str) -> View:
    """Build the view of a phase, "train" or "test"; raise ValueError if the test crop does not fit its image."""
    size, resize = cfg.TRAIN.IM_SIZE, cfg.TEST.IM_SIZE
    centered = phase == "test" or cfg.TRAIN.CROP_STYLE == "center"
    if centered and any(large < small for large, small in zip(sides(resize), sides(size), strict=True)):
        raise ValueError(
            f"TEST.IM_SIZE = {resize} is smaller than TRAIN.IM_SIZE = {size}: "
            f"the shorter side is resized to the first, then the second is cropped; use at least {size}"
        )
    if cfg.TRAIN.CROP_STYLE == "pycls" and not is_square(size):
        raise ValueError(
            f"TRAIN.IM_SIZE {size}: TRAIN.CROP_STYLE pycls crops for squares only; set TRAIN.CROP_STYLE torchvision"
        )
    return View(
        train=phase == "train",
        size=_plain(size),
        resize=_plain(resize),
        area=tuple(cfg.TRAIN.CROP_AREA),
        aspect=tuple(cfg.TRAIN.CROP_ASPECT),
        flip_prob=float(cfg.TRAIN.HFLIP),
        crop_style=cfg.TRAIN.CROP_STYLE,
        antialias=cfg.DATA_LOADER.ANTIALIAS,
        seed=cfg.RNG_SEED,
        padding=cfg.TRAIN.CROP_PADDING,
        augment=optional_augmentation(cfg) if phase == "train" else None,
        erase_prob=float(cfg.TRAIN.RANDOM_ERASE),
        jitter=_float_jitter(cfg),
        channels=cfg.DATA_LOADER.CHANNELS,
        full=cfg.DATA_LOADER.DEPTH == "full",
        exif_rotate=cfg.DATA_LOADER.EXIF_ROTATE,
        interpolation=cfg.TRAIN.INTERPOLATION if phase == "train" else cfg.TEST.INTERPOLATION,
    )


def _plain(im_size: ImSize) -> ImSize:
    """Return a size that cannot be changed."""
    return im_size if isinstance(im_size, int) else tuple(im_size)


def optional_augmentation(cfg: CfgNode) -> "Augmentation | None":
    """Build the operations on the finished square; they import torchvision (a second), so only where there are any."""
    if not cfg.TRAIN.AUGMENT and not any(cfg.TRAIN.COLOR_JITTER):
        return None
    from pycls.datasets.transforms.augment import build_augmentation

    return build_augmentation(cfg)


def _float_jitter(cfg: CfgNode) -> tuple[float, float, float] | None:
    brightness, contrast, saturation, _ = strengths = cfg.TRAIN.COLOR_JITTER
    return (brightness, contrast, saturation) if cfg.TRAIN.COLOR_JITTER_STYLE == "cutmix" and any(strengths) else None


def boxes(view: View, epoch: int, indices: np.ndarray, heights: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Return float64 (n, 4): top, left, height, width in source pixels; whole for random crops, exact in the middle."""
    heights, widths = np.asarray(heights, dtype=np.float64), np.asarray(widths, dtype=np.float64)
    if not view.crops_randomly:
        return center_view_boxes(heights, widths, view.resize, view.size)
    draws = uniforms(view.seed, Stream.BOX, epoch, indices, NUM_DRAWS)
    return CROP_LAWS[view.crop_style](draws, heights, widths, view.area, view.aspect, view.size)


def eval_geometry(view: View, height: int, width: int) -> tuple[int, int, int, int]:
    """Return (resized height, resized width, top, left) of the center view, for backends that resize whole and crop."""
    geometry = center_view(np.array([height]), np.array([width]), view.resize, view.size)
    resized_h, resized_w, top, left = (int(value[0]) for value in geometry)
    return resized_h, resized_w, top, left


def flips(view: View, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return bool (n,): which images are mirrored left to right; none in eval."""
    if not view.train:
        return np.zeros(len(indices), dtype=bool)
    return uniforms(view.seed, Stream.FLIP, epoch, indices, 1)[:, 0] < view.flip_prob


def filters(view: View, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return uint8 (n,): the Filter that each image is resized with."""
    if not view.antialias:
        return np.full(len(indices), Filter.PLAIN, np.uint8)
    if view.interpolation != "random":
        return np.full(len(indices), Filter[view.interpolation.upper()], np.uint8)
    cubic = uniforms(view.seed, Stream.FILTER, epoch, indices, 1)[:, 0] < 0.5
    return np.where(cubic, Filter.BICUBIC, Filter.BILINEAR).astype(np.uint8)


def augment(view: View, epoch: int, indices: np.ndarray, squares: np.ndarray) -> None:
    """Augment the finished squares of `indices`, uint8 RGB (n, H, W, 3), in place; nothing in eval."""
    if view.train and view.augment is not None:
        view.augment(squares, view.seed, epoch, indices)


def erased(view: View, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return int64 (n, 4): top, left, height, width of what random erasing empties, in pixels of the view."""
    draws = uniforms(view.seed, Stream.ERASE, epoch, indices, NUM_ERASE_DRAWS)
    return erased_boxes(draws, view.erase_prob, view.size)


def jittered(view: View, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return float32 (n, 3, 3): the amounts of the color jitter in its turns (see float_color_jitter.py)."""
    assert view.jitter is not None
    return jitter_amounts(view.jitter, view.seed, epoch, indices)


def lighting(seed: int, std: float, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return float32 (n, 3): weights of the three color eigenvectors, each from N(0, std)."""
    return (std * normals(seed, Stream.LIGHTING, epoch, indices, 3)).astype(np.float32)
