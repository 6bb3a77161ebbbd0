"""Mixup and CutMix: the images of a batch in pairs, and their targets by the same shares, on the training device.

Mixup: Zhang et al. 2018, arXiv 1710.09412. CutMix: Yun et al. 2019, arXiv 1905.04899. What is mixed is a pure function
of (seed, epoch, step) for whole batches, of (seed, epoch, sample index) for single images, and so is the same whenever
and however often it is asked for. Partners are found among the images of one process.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from yacs.config import CfgNode

from pycls.core.distributed import world_size
from pycls.datasets.transforms.rng import Stream, hashes, uniforms

NUM_DRAWS = 6  # mixed at all, CutMix or mixup, two for lambda, center of the box (row, column)


@dataclass(frozen=True)
class Mixer:
    """Mixes batches; at least one of the two alphas is above 0."""

    mixup_alpha: float  # parameter of the symmetric Beta distribution of mixup; 0: never mixup
    cutmix_alpha: float  # the same of CutMix
    prob: float  # of mixing at all
    switch_prob: float  # of CutMix, where both are on
    elementwise: bool  # draw for each image, not once for the batch
    seed: int
    compiled: bool = False  # blend by torch.compile, which reads and writes each image once

    def __call__(
        self, images: Tensor, targets: Tensor, epoch: int, step: int, indices: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """Return images (N, 3, H, W) mixed, and targets (N, K) of the samples `indices` (N,) at a step."""
        keys = indices if self.elementwise else np.array([step])
        boxes, weights = self.draw(epoch, keys, *images.shape[-2:])
        if not weights.any():
            return images, targets
        return mix(images, targets, partners(self.seed, epoch, indices), boxes, weights, self.compiled)

    def draw(self, epoch: int, keys: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return int64 (n, 4), the boxes (y1, y2, x1, x2) of the partner, and float64 (n,), its weight there.

        CutMix replaces a part of the image by the partner (weight 1), mixup adds 1 - lambda of it everywhere.
        """
        draws = uniforms(self.seed, Stream.MIX, epoch, keys, NUM_DRAWS)
        cut = draws[:, 1] < self._cutmix_prob()
        lams = symmetric_beta(draws[:, 2:4], np.where(cut, self.cutmix_alpha, self.mixup_alpha))
        centers = np.floor(draws[:, 4:] * (height, width)).astype(np.int64).tolist()
        drawn = zip(lams.tolist(), centers, strict=True)
        cut_boxes = np.array([cutmix_box(height, width, lam, *center) for lam, center in drawn])
        boxes = np.where(cut[:, None], cut_boxes, (0, height, 0, width))
        return boxes, np.where(draws[:, 0] < self.prob, np.where(cut, 1.0, 1 - lams), 0.0)

    def _cutmix_prob(self) -> float:
        if self.mixup_alpha > 0:
            return self.switch_prob if self.cutmix_alpha > 0 else 0.0
        return 1.0


def build_mixer(cfg: CfgNode) -> Mixer | None:
    """Build what TRAIN.MIXUP_ALPHA and TRAIN.CUTMIX_ALPHA ask for; None if both are 0."""
    train = cfg.TRAIN
    if not (train.MIXUP_ALPHA or train.CUTMIX_ALPHA):
        return None
    if train.BATCH_SIZE // world_size() < 2:
        raise ValueError(
            f"TRAIN.BATCH_SIZE {train.BATCH_SIZE} leaves each of {world_size()} processes a single image, and mixup "
            "and CutMix need two; use a larger batch, or set TRAIN.MIXUP_ALPHA and TRAIN.CUTMIX_ALPHA to 0"
        )
    elementwise = train.MIX_MODE == "elem"
    alphas = (float(train.MIXUP_ALPHA), float(train.CUTMIX_ALPHA))
    return Mixer(*alphas, train.MIX_PROB, train.MIX_SWITCH_PROB, elementwise, cfg.RNG_SEED, train.COMPILE)


def cutmix_box(height: int, width: int, lam: float, cy: int, cx: int) -> tuple[int, int, int, int]:
    """Return (y1, y2, x1, x2) of the box around (cy, cx) with about 1 - lam of the area, clipped to the image.

    As the authors' code: sides are cut to whole pixels, and half of an odd side is rounded down on both sides.
    """
    ratio = math.sqrt(1.0 - lam)
    half_height, half_width = int(height * ratio) // 2, int(width * ratio) // 2
    rows = (max(cy - half_height, 0), min(cy + half_height, height))
    return *rows, max(cx - half_width, 0), min(cx + half_width, width)


def symmetric_beta(draws: np.ndarray, alpha: np.ndarray | float) -> np.ndarray:
    """Turn uniform draws (n, 2) into n numbers from Beta(alpha, alpha), alpha > 0, exactly and without rejection.

    Student's t with 2 alpha degrees of freedom by Bailey's polar method (Math. Comp. 62, 1994), mapped to (0, 1).
    """
    p, cosine = draws[:, 0] ** (1 / np.asarray(alpha)), np.cos(2 * np.pi * draws[:, 1])
    centered = cosine * np.sqrt((1 - p) / (p + (1 - p) * cosine**2))
    return 0.5 + 0.5 * np.clip(centered, -1, 1)  # rounding may go beyond


def partners(seed: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return a permutation of 0..n-1, int64 (n,): whom each image of a batch is mixed with (itself, now and then)."""
    return np.argsort(hashes(seed, Stream.MIX_PARTNER, epoch, indices), kind="stable")


def mix(
    images: Tensor,
    targets: Tensor,
    partner: np.ndarray,
    boxes: np.ndarray,
    weights: np.ndarray,
    compiled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, H, W) with partners in them: weights (n,) inside boxes (n, 4); n is N, or 1 for all.

    The targets (N, K) get the partner's share of the pixels, so that rows that summed to 1 still do.
    """
    height, width = images.shape[-2:]
    areas = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    places, sides = _on(images.device, partner), _on(images.device, boxes)
    weight = _on(images.device, weights).to(images.dtype)
    share = _on(images.device, weights * areas / (height * width)).to(targets.dtype)
    call = _compiled_blend() if compiled else _blend
    return call(images, targets, places, sides, weight, share)


def _blend(
    images: Tensor, targets: Tensor, places: Tensor, sides: Tensor, weight: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Blend on the device: partners' positions (N,), boxes (n, 4), weights in them (n,) and in the targets (n,)."""
    # lerp is exact at 0 and 1: pixels outside a box stay what they were, inside CutMix's they are the partner's.
    inside = _inside(sides, *images.shape[-2:])[:, None] * weight[:, None, None, None]
    return images.lerp(images[places], inside), targets.lerp(targets[places], share[:, None])


@functools.cache
def _compiled_blend() -> Callable[..., tuple[Tensor, Tensor]]:
    return torch.compile(_blend)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """Tell which pixels lie in each box, (n, 4) -> bool (n, height, width)."""
    y1, y2, x1, x2 = boxes[:, :, None].unbind(1)
    rows, columns = torch.arange(height, device=boxes.device), torch.arange(width, device=boxes.device)
    return ((rows >= y1) & (rows < y2))[:, :, None] & ((columns >= x1) & (columns < x2))[:, None, :]


def _on(device: torch.device, array: np.ndarray) -> Tensor:
    """Copy to the device without stopping the host."""
    tensor = torch.from_numpy(array)
    tensor = tensor.float() if device.type == "mps" and tensor.is_floating_point() else tensor
    tensor = tensor.pin_memory() if device.type == "cuda" else tensor
    return tensor.to(device, non_blocking=True)
