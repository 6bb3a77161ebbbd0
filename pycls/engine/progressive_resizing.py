"""Progressive resizing: training on squares whose side follows the epoch, TRAIN.IM_SIZE_SCHEDULE."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.config.im_size import is_square
from pycls.core.logging import get_logger
from pycls.datasets import build_loader
from pycls.engine.run import Run
from pycls.engine.setup import has_one_size
from pycls.models import build_model

logger = get_logger(__name__)

_STEP_PX = 32  # of sizes between two points: the total stride of most networks
_LEAST_PX = 32


def scheduled_im_size(points: Sequence[Sequence[float]], epoch: int, im_size: int) -> int:
    """Return the side of an epoch's training squares in px: straight lines between points (epoch, px).

    Between points of different sizes in steps of 32 px; at the points, before the first and after the last exactly what
    they say. `im_size` without points. The rule of FFCV's ImageNet recipes.
    """
    if not points:
        return im_size
    epochs, sizes = zip(*points, strict=True)
    size = float(np.interp(epoch, epochs, sizes))
    around = sizes[max(bisect_right(epochs, epoch) - 1, 0)], sizes[min(bisect_left(epochs, epoch), len(sizes) - 1)]
    return int(size) if size in around else round(size / _STEP_PX) * _STEP_PX


def check_schedule(cfg: CfgNode) -> None:
    """Raise ValueError for a schedule that is none, or that data set or network cannot follow."""
    points = cfg.TRAIN.IM_SIZE_SCHEDULE
    if not points:
        return
    if not _are_points(points):
        raise ValueError(
            f"TRAIN.IM_SIZE_SCHEDULE must be [[epoch, pixels], ...] with rising epochs and whole "
            f"numbers of pixels, at least {_LEAST_PX}, got {points}"
        )
    if not is_square(cfg.TRAIN.IM_SIZE):
        raise ValueError(
            f"TRAIN.IM_SIZE_SCHEDULE is for squares, TRAIN.IM_SIZE is {cfg.TRAIN.IM_SIZE}: set one of them"
        )
    if cfg.TRAIN.CROP_STYLE == "center":
        raise ValueError(
            "TRAIN.IM_SIZE_SCHEDULE: TRAIN.CROP_STYLE center would cut its squares out of images of one size "
            "(TEST.IM_SIZE); set TRAIN.CROP_STYLE torchvision"
        )
    if has_one_size(cfg.TRAIN.DATASET):
        raise ValueError(f"TRAIN.IM_SIZE_SCHEDULE: the images of {cfg.TRAIN.DATASET} have one size only")
    shapes = _shapes(cfg)
    for size in sorted({scheduled_im_size(points, epoch, 0) for epoch in range(cfg.OPTIM.MAX_EPOCH)}):
        if _shapes(with_value(cfg, "TRAIN.IM_SIZE", size)) != shapes:
            kind = f"{cfg.MODEL.TYPE} {cfg.MODEL.NAME}".strip()
            raise ValueError(f"TRAIN.IM_SIZE_SCHEDULE: {kind} has other weights at {size} px")


def fit_im_size(run: Run) -> None:
    """Give the run a training loader of the current epoch's size; only a change costs anything."""
    old, cfg = run.train_loader, run.cfg
    points = cfg.TRAIN.IM_SIZE_SCHEDULE
    size = scheduled_im_size(points, run.state.epoch, 0)
    if not points or size == old.view.size:
        return
    old.close()
    run.train_loader = build_loader(with_value(cfg, "TRAIN.IM_SIZE", size), "train", old.device, old.samples)
    run.train_loader.bad = old.bad
    logger.info("Epoch %d: training squares of %d px", run.state.epoch + 1, size)


def _are_points(points: list) -> bool:
    if not all(isinstance(px, int) for _, px in points):
        return False
    epochs = [epoch for epoch, _ in points]
    return all(a < b for a, b in pairwise(epochs)) and all(px >= _LEAST_PX for _, px in points)


def _shapes(cfg: CfgNode) -> dict[str, torch.Size]:
    """Return the shapes of the network's weights; it says itself which sizes it cannot take."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in build_model(cfg).state_dict().items()}
