"""DATA.VAL_FRACTION and DATA.FOLDS: which images of one data set are for training, and which for validation."""

import numpy as np
from yacs.config import CfgNode

from pycls.datasets.readers.holdout import divide
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples, Samples


def is_divided(cfg: CfgNode) -> bool:
    """Tell whether a config divides one data set for training and validation."""
    return bool(cfg.DATA.FOLDS or cfg.DATA.VAL_FRACTION)


def holds_all_out(cfg: CfgNode) -> bool:
    """Tell whether all images are for validation, of a network that is trained already."""
    return cfg.DATA.VAL_FRACTION == 1 and not cfg.DATA.FOLDS


def division(cfg: CfgNode) -> str:
    """Return the keys that divide, as they are written."""
    if cfg.DATA.FOLDS:
        return f"DATA.FOLDS {cfg.DATA.FOLDS} DATA.FOLD {cfg.DATA.FOLD}"
    return f"DATA.VAL_FRACTION {cfg.DATA.VAL_FRACTION}"


def holds_out_more(cfg: CfgNode, other: CfgNode) -> bool:
    """Tell whether a config holds out images that another one, which divides the same data, leaves to training."""
    (first, last), (other_first, other_last) = _held_out(cfg), _held_out(other)
    return cfg.DATA.SPLIT_SEED != other.DATA.SPLIT_SEED or first < other_first or last > other_last


def _held_out(cfg: CfgNode) -> tuple[float, float]:
    """Return the places between which images are held out."""
    count, fold = cfg.DATA.FOLDS, cfg.DATA.FOLD
    return (fold / count, (fold + 1) / count) if count else (0.0, cfg.DATA.VAL_FRACTION)


def no_division(cfg: CfgNode) -> str:
    """Return the keys by which such a config would divide nothing."""
    return "DATA.FOLDS 0 DATA.VAL_FRACTION 0" if cfg.DATA.FOLDS else "DATA.VAL_FRACTION 0"


def take_share(cfg: CfgNode, phase: str, samples: Samples) -> Samples:
    """Return the images of a data set that are for a phase, "train" or "test"; all of them if nothing is divided."""
    if not is_divided(cfg):
        return samples
    assert not isinstance(samples, ArraySamples), "only data sets that can be divided come here"
    if holds_all_out(cfg):
        if phase == "train":
            raise ValueError("DATA.VAL_FRACTION 1 leaves no images to train on; expected less, such as 0.2")
        return samples
    keep = (_parts(cfg, samples) == cfg.DATA.FOLD) == (phase == "test")
    return samples.select(keep)


def _parts(cfg: CfgNode, samples: EncodedSamples) -> np.ndarray:
    """Return the part of each image, int64 (N,); the share of VAL_FRACTION is part 0, as DATA.FOLD is then."""
    count, fraction = cfg.DATA.FOLDS, cfg.DATA.VAL_FRACTION
    edges = [number / count for number in range(count + 1)] if count else [0, fraction, 1]
    return divide(samples, cfg.DATA.SPLIT_SEED, edges, division(cfg))
