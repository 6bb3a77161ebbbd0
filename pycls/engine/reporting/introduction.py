"""What a training is about to do, in a few lines for people."""

import os
from collections.abc import Sequence

import numpy as np
from torch import nn
from yacs.config import CfgNode

from pycls.core.registry import shown
from pycls.datasets.readers.samples import EncodedSamples, Samples
from pycls.datasets.shares import division, is_divided

_NUM_NAMED = 6  # classes


def introduction(cfg: CfgNode, train: Samples, test: Samples | None, model: nn.Module, num_steps: int) -> list[str]:
    """Return lines on the data, what is trained, how long, and where the files go."""
    evaluated = "an evaluation after each" if test is not None else "no evaluation (TEST.SPLIT none)"
    epochs, steps = _counted(cfg.OPTIM.MAX_EPOCH, "epoch"), _counted(num_steps, "step")
    return [
        _data(cfg, train, test),
        _trained(cfg, model),
        f"Training: {epochs} of {steps} of {_counted(cfg.TRAIN.BATCH_SIZE, 'image')}, {evaluated}",
        f"Files: {os.path.join(cfg.OUT_DIR, '')}",
    ]


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _data(cfg: CfgNode, train: Samples, test: Samples | None) -> str:
    """Tell of both sets, and of each class's images in them where these are few enough to name."""
    divided = f" ({division(cfg)})" if is_divided(cfg) else ""
    sets = [train] if test is None else [train, test]
    counts = [np.bincount(samples.labels, minlength=len(samples.classes)).tolist() for samples in sets]
    named = [
        f"{shown(name)} {' + '.join(map(str, both))}"
        for name, *both in zip(train.classes[:_NUM_NAMED], *(count[:_NUM_NAMED] for count in counts), strict=True)
    ]
    validated = "none" if test is None else f"{len(test):,}"
    more = ", ..." if len(train.classes) > _NUM_NAMED else ""
    source = shown(cfg.DATA_DIR) if cfg.DATA_DIR and isinstance(train, EncodedSamples) else cfg.TRAIN.DATASET
    return (
        f"Data: {source}: {len(train):,} images to train on and {validated} to validate on{divided}, in "
        f"{len(train.classes):,} classes: {', '.join(named)}{more}"
    )


def _trained(cfg: CfgNode, model: nn.Module) -> str:
    total = sum(parameter.numel() for parameter in model.parameters())
    moving = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    start = f"from the weights {shown(cfg.TRAIN.WEIGHTS)}" if cfg.TRAIN.WEIGHTS else "from random weights"
    what = f"all of the {total:,} parameters" if moving == total else f"{moving:,} of the {total:,} parameters"
    frozen = f"; frozen: {_names(cfg.TRAIN.FROZEN)}" if moving < total and cfg.TRAIN.FROZEN else ""
    slower = (
        ""
        if cfg.OPTIM.BACKBONE_LR_RATIO == 1
        else (f"; the classifier at the full learning rate, the rest at {cfg.OPTIM.BACKBONE_LR_RATIO:g} of it")
    )
    return f"Trained: {what}, {start}{frozen}{slower}"


def _names(parts: Sequence[str]) -> str:
    return ", ".join(parts)
