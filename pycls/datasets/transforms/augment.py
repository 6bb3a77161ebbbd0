"""Augment finished squares: what TRAIN.AUGMENT and torchvision's color jitter do, the same in every backend.

Each image's operations are functions of (seed, epoch, sample index) and run on the host, with Pillow. The policies
stand in a table by operator set and name; a new one is a function and a line in its set's POLICIES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image
from yacs.config import CfgNode

from pycls.core.config.augment_spec import AugmentName, parse_augment
from pycls.core.registry import pick
from pycls.datasets.transforms import pycls_policies, timm_policies, torchvision_policies
from pycls.datasets.transforms.color_jitter import ColorJitter
from pycls.datasets.transforms.rng import Stream, uniforms


class AugmentStage(Protocol):
    """One augmentation: turns an image and its draws into another image."""

    @property
    def stream(self) -> Stream:
        """Return what its numbers are drawn for."""

    @property
    def num_draws(self) -> int:
        """Return how many uniform numbers an image takes."""

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Apply what the uniform numbers (num_draws,) say; the same object comes back when that is nothing."""


@dataclass(frozen=True)
class Augmentation:
    """The augmentations of a run, in order."""

    stages: tuple[AugmentStage, ...]

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
    """Build what TRAIN.AUGMENT and torchvision's TRAIN.COLOR_JITTER ask for, None if nothing; ValueError if unknown."""
    stages: list[AugmentStage] = []
    if cfg.TRAIN.AUGMENT:
        stages.append(build_policy(cfg))
    if any(cfg.TRAIN.COLOR_JITTER) and cfg.TRAIN.COLOR_JITTER_STYLE == "torchvision":
        brightness, contrast, saturation, hue = map(float, cfg.TRAIN.COLOR_JITTER)
        stages.append(ColorJitter((brightness, contrast, saturation, hue)))
    return Augmentation(tuple(stages)) if stages else None


# Each builds a stage: (TRAIN.AUGMENT taken apart, config) -> stage.
OP_SETS: dict[str, Mapping[str, Callable[[AugmentName, CfgNode], AugmentStage]]] = {
    "torchvision": torchvision_policies.POLICIES,
    "pycls": pycls_policies.POLICIES,
    "timm": timm_policies.POLICIES,
}


def build_policy(cfg: CfgNode) -> AugmentStage:
    """Build the policy that TRAIN.AUGMENT names; ValueError if TRAIN.AUGMENT_OPS does not have it."""
    table = pick(OP_SETS, cfg.TRAIN.AUGMENT_OPS, "TRAIN.AUGMENT_OPS")
    name = parse_augment(cfg.TRAIN.AUGMENT, table)
    assert name is not None
    if name.policy not in table:
        raise ValueError(
            f"TRAIN.AUGMENT: {cfg.TRAIN.AUGMENT_OPS} has no {name.policy}, only {' and '.join(table)}; "
            "set TRAIN.AUGMENT_OPS torchvision for all four"
        )
    if name.std is not None and cfg.TRAIN.AUGMENT_OPS in ("torchvision", "pycls"):
        raise ValueError(
            f"TRAIN.AUGMENT: {cfg.TRAIN.AUGMENT_OPS}'s RandAugment has no S, got S{name.std:g}; drop it, or set "
            "TRAIN.AUGMENT_OPS timm, whose M goes from 0 to 10"
        )
    return table[name.policy](name, cfg)
