"""Losses: logits (N, K) and soft targets (N, K), whose rows sum to 1, to a scalar mean over the images.

The classes of an image are summed, so that a recipe does not depend on their number; only `bce` averages them, as its
recipes do. Each loss takes weights (K,) of the classes too.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from yacs.config import CfgNode

from pycls.core.registry import pick

Loss = Callable[[Tensor, Tensor], Tensor]

# Each builds a loss of (logits, targets), which takes `weights` as well if TRAIN.CLASS_WEIGHTS is to work with it.
LOSSES: dict[str, Callable[[CfgNode], Callable[..., Tensor]]] = {
    "cross_entropy": lambda cfg: cross_entropy,
    "bce": lambda cfg: partial(binary_cross_entropy, threshold=_checked_threshold(cfg)),
    "focal": lambda cfg: partial(focal, alpha=cfg.MODEL.FOCAL_ALPHA, gamma=cfg.MODEL.FOCAL_GAMMA),
    "softmax_focal": lambda cfg: partial(softmax_focal, gamma=cfg.MODEL.FOCAL_GAMMA),
    "smooth_l1": lambda cfg: partial(smooth_l1, beta=cfg.MODEL.SMOOTH_L1_BETA),
}


def build_loss(cfg: CfgNode) -> Loss:
    """Return `loss(logits, targets) -> scalar mean over the batch`, all classes alike: the one of evaluation."""
    return pick(LOSSES, cfg.MODEL.LOSS_FUN, "MODEL.LOSS_FUN")(cfg)


def build_train_loss(cfg: CfgNode, labels: Sequence[int] | np.ndarray) -> Loss:
    """Return the loss of training on images with `labels` (N,): `build_loss`'s with TRAIN.CLASS_WEIGHTS, if any."""
    given, loss = cfg.TRAIN.CLASS_WEIGHTS, pick(LOSSES, cfg.MODEL.LOSS_FUN, "MODEL.LOSS_FUN")(cfg)
    if cfg.MODEL.LOSS_FUN == "bce":
        loss = partial(loss, smoothing=cfg.TRAIN.LABEL_SMOOTHING)  # its threshold takes that out of the targets
    if cfg.TRAIN.CLASS_BALANCE == "loss":
        return partial(loss, weights=balanced_weights(labels, cfg.MODEL.NUM_CLASSES))
    return partial(loss, weights=torch.tensor(given, dtype=torch.float32)) if given else loss


def balanced_weights(labels: Sequence[int] | np.ndarray, num_classes: int) -> Tensor:
    """Return N / (classes present * images of the class), float32 (K,), 0 without images: the mean over images is 1."""
    counts = torch.bincount(torch.tensor(labels), minlength=num_classes)
    weights = len(labels) / ((counts > 0).sum() * counts.clamp(min=1))
    return torch.where(counts > 0, weights, 0.0).float()


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy of soft targets, computed in float32 or wider, as all losses here.

    Weights multiply the terms of their classes, and the sum is divided by N (as torch does for soft targets).
    """
    logits = _wide(logits)
    return F.cross_entropy(logits, targets, None if weights is None else weights.to(logits, non_blocking=True))


def binary_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    *,
    threshold: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """Return the mean over images and classes of one yes-or-no question a class (Wightman et al. 2021, section 2).

    With a threshold every class with a larger share of the target is fully present: both of a mixed pair, or one.
    `smoothing` is that of training: the threshold takes it out of the targets, each class by itself gets it back.
    """
    if threshold > 0:
        targets = (targets > threshold).to(targets.dtype) * (1 - smoothing) + smoothing / targets.shape[1]
    terms = F.binary_cross_entropy_with_logits(_wide(logits), targets, reduction="none")
    return _mean(terms.mean(1), targets, weights)


def focal(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, *, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Return torchvision's focal loss of independent sigmoids (Lin et al. 2017); `alpha` weighs presence, -1: off."""
    from torchvision.ops import sigmoid_focal_loss  # takes a second: it imports torch's compiler

    logits = _wide(logits)
    if 0 < gamma < 1:
        logits = _unsaturated(logits, targets)
    return _mean(sigmoid_focal_loss(logits, targets, alpha, gamma).sum(1), targets, weights)


def _unsaturated(logits: Tensor, targets: Tensor) -> Tensor:
    """Hold right answers, whose loss is nil, at a probability below 1, where a power below 1 has a gradient."""
    logits = torch.where(targets == 1, logits.clamp(max=15), logits)
    return torch.where(targets == 0, logits.clamp(min=-15), logits)


def softmax_focal(logits: Tensor, targets: Tensor, weights: Tensor | None = None, *, gamma: float = 2.0) -> Tensor:
    """Return the cross entropy whose terms are multiplied by (1 - p) ** gamma of their class's softmax p."""
    log_p = F.log_softmax(_wide(logits), 1)
    others = (1 - log_p.exp()).clamp(min=torch.finfo(log_p.dtype).eps)  # at 0 a gamma below 1 has no gradient
    return _mean(-(targets * others**gamma * log_p).sum(1), targets, weights)


def smooth_l1(logits: Tensor, targets: Tensor, weights: Tensor | None = None, *, beta: float = 1.0) -> Tensor:
    """Return the smooth L1 distance of softmax probabilities to the targets, quadratic below `beta` (Girshick 2015)."""
    terms = F.smooth_l1_loss(_wide(logits).softmax(1), targets, reduction="none", beta=beta)
    return _mean(terms.sum(1), targets, weights)


def _mean(per_image: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean of (N,); an image has the weight of its classes, by their share of its target."""
    if weights is None:
        return per_image.mean()
    shares = targets / targets.sum(1, keepdim=True).clamp(min=1e-12)  # of bce may not sum to 1
    return (per_image * (shares.to(per_image) @ weights.to(per_image, non_blocking=True))).mean()


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _checked_threshold(cfg: CfgNode) -> float:
    """Return MODEL.BCE_THRESHOLD; ValueError if label smoothing would lift every class above it."""
    threshold, off = cfg.MODEL.BCE_THRESHOLD, cfg.TRAIN.LABEL_SMOOTHING / cfg.MODEL.NUM_CLASSES
    if 0 < threshold <= off:
        raise ValueError(f"MODEL.BCE_THRESHOLD {threshold} must be above LABEL_SMOOTHING / NUM_CLASSES, {off:g}")
    return threshold


def soft_targets(labels: Tensor, num_classes: int, smoothing: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Turn labels (N,) into rows (N, K) with smoothing/K everywhere, the rest on the label (Szegedy et al. 2016)."""
    off = smoothing / num_classes
    targets = torch.full((len(labels), num_classes), off, dtype=dtype, device=labels.device)
    return targets.scatter_(1, labels.unsqueeze(1), 1.0 - smoothing + off)
