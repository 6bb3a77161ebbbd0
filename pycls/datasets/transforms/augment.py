"""Augment finished squares: what TRAIN.AUGMENT and torchvision's colour jitter do, the same in every backend.

Each image's operations are functions of (seed, epoch, sample index) and run on the host, with Pillow.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image
from yacs.config import CfgNode

from pycls.datasets.transforms.rng import Stream, uniforms


class Stage(Protocol):
    """One augmentation: turns an image and its draws into another image."""

    stream: Stream
    num_draws: int

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Apply what the uniform numbers (num_draws,) say; the same object comes back when that is nothing."""


@dataclass(frozen=True)
class Augmentation:
    """The augmentations of a run, in order."""

    stages: tuple[Stage, ...]

    def __call__(self, squares: np.ndarray, seed: int, epoch: int, indices: np.ndarray) -> None:
        """Augment the images of `indices`, uint8 RGB (n, S, S, 3), in place."""
        draws = [uniforms(seed, stage.stream, epoch, indices, stage.num_draws) for stage in self.stages]
        for square, *numbers in zip(squares, *draws, strict=True):
            self._augment(square, numbers)

    def _augment(self, square: np.ndarray, numbers: list[np.ndarray]) -> None:
        image = original = Image.fromarray(square)
        for stage, draws in zip(self.stages, numbers, strict=True):
            image = stage(image, draws)
        if image is not original:
            square[...] = image


def build_augmentation(cfg: CfgNode) -> Augmentation | None:
    """Build what TRAIN.AUGMENT and torchvision's TRAIN.COLOR_JITTER ask for, None if nothing; ValueError for unknowns.

    The stages import torchvision, which takes a second, so they are imported only where there is one.
    """
    stages: list[Stage] = []
    if cfg.TRAIN.AUGMENT:
        from pycls.datasets.transforms.augment__augment_policies import build_policy

        stages.append(build_policy(cfg))
    if any(cfg.TRAIN.COLOR_JITTER) and cfg.TRAIN.COLOR_JITTER_STYLE == "torchvision":
        from pycls.datasets.transforms.color_jitter import ColorJitter

        stages.append(ColorJitter(tuple(float(strength) for strength in cfg.TRAIN.COLOR_JITTER)))
    return Augmentation(tuple(stages)) if stages else None
