"""Losses: logits (N, K) and soft targets (N, K), whose rows sum to 1, to a scalar mean."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from yacs.config import CfgNode

from pycls.core.tables import pick

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Callable[[CfgNode], Loss]] = {
    "cross_entropy": lambda cfg: cross_entropy,
}


def build_loss(cfg: CfgNode) -> Loss:
    """Return `loss(logits, targets) -> scalar mean over the batch`."""
    return pick(LOSSES, cfg.MODEL.LOSS_FUN, "MODEL.LOSS_FUN")(cfg)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy of soft targets, computed in float32 or wider."""
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets)


def soft_targets(labels: Tensor, num_classes: int, smoothing: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Turn labels (N,) into rows (N, K) with smoothing/K everywhere, the rest on the label (Szegedy et al. 2016)."""
    off = smoothing / num_classes
    targets = torch.full((len(labels), num_classes), off, dtype=dtype, device=labels.device)
    return targets.scatter_(1, labels.unsqueeze(1), 1.0 - smoothing + off)
