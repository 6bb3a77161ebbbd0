"""Augment finished squares: what TRAIN.AUGMENT and TRAIN.COLOR_JITTER do to pixels, the same in every backend.

Each image's operations are functions of (seed, epoch, sample index) and run on the host with Pillow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image
from yacs.config import CfgNode

from pycls.core.augment_name import AugmentName, parse_augment
from pycls.core.tables import did_you_mean, pick
from pycls.datasets import augment_pycls, augment_torchvision
from pycls.datasets.color_jitter import ColorJitter
from pycls.datasets.draws import Stream, uniforms


class Stage(Protocol):
    """One augmentation: turns an image and its draws into another image."""

    stream: Stream
    num_draws: int

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Apply what the uniform numbers (num_draws,) say; the same object comes back when that is nothing."""


# Policies of each operator set: (name, side in pixels, data set) -> stage.
OP_SETS: dict[str, dict[str, Callable[[AugmentName, int, str], Stage]]] = {
    "torchvision": augment_torchvision.POLICIES,
    "pycls": augment_pycls.POLICIES,
}


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
    """Build what TRAIN.AUGMENT and TRAIN.COLOR_JITTER ask for, None if nothing; ValueError for what does not exist."""
    stages: list[Stage] = []
    name = parse_augment(cfg.TRAIN.AUGMENT)
    if name is not None:
        stages.append(_build_policy(name, cfg))
    if any(cfg.TRAIN.COLOR_JITTER):
        stages.append(ColorJitter(tuple(float(value) for value in cfg.TRAIN.COLOR_JITTER)))
    return Augmentation(tuple(stages)) if stages else None


def _build_policy(name: AugmentName, cfg: CfgNode) -> Stage:
    table = pick(OP_SETS, cfg.TRAIN.AUGMENT_OPS, "TRAIN.AUGMENT_OPS")
    if name.policy not in table:
        raise ValueError(
            f"TRAIN.AUGMENT: {cfg.TRAIN.AUGMENT_OPS} has no {name.policy}{did_you_mean(name.policy, table)} "
            f"(it has {' and '.join(table)}); set TRAIN.AUGMENT_OPS torchvision for all four"
        )
    return table[name.policy](name, cfg.TRAIN.IM_SIZE, cfg.TRAIN.DATASET)
