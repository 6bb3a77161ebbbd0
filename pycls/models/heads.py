"""Heads: from the last feature map to logits.

A head pools to a feature (N, D) and hands it to its classifier `fc`. HEADS lists by the names of MODEL.HEAD what is
done to the classifier of a finished network of any family. A new one is a function (model, cfg) -> None and a line.
"""

from collections.abc import Callable

from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.models.layers.basic import Style, conv2d
from pycls.models.layers.checks import is_small
from pycls.models.layers.introspective import add_introspective_head, introspective_logits

__all__ = ["HEADS", "EffHead", "ResHead", "introspective_logits"]

HEADS: dict[str, Callable[[nn.Module, CfgNode], None]] = {
    "linear": lambda model, cfg: None,  # as the family built it
    "introspective": lambda model, cfg: add_introspective_head(
        model, cfg.MODEL.NUM_CLASSES, uncertainty_width(cfg), cfg.IDML.PROXY_BIAS
    ),
}


def uncertainty_width(cfg: CfgNode) -> int:
    """Return what IDML.WIDTH means: 0 is as published."""
    return cfg.IDML.WIDTH or (128 if is_small(cfg) else 512)


class ResHead(nn.Module):
    """Optional 1x1 convolution, global average pool, classifier: (N, w_in, H, W) -> (N, K)."""

    def __init__(self, w_in: int, head_w: int, num_classes: int, style: Style):
        super().__init__()
        self.conv = None
        if head_w > 0:
            self.conv = conv2d(w_in, head_w, 1)
            self.bn = style.norm(head_w)
            self.af = style.act()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(head_w or w_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is not None:
            x = self.af(self.bn(self.conv(x)))
        return self.fc(self.avg_pool(x).flatten(1))


class EffHead(nn.Module):
    """1x1 convolution, global average pool, dropout, classifier: (N, w_in, H, W) -> (N, K)."""

    def __init__(
        self,
        w_in: int,
        head_w: int,
        num_classes: int,
        dropout_ratio: float,
        style: Style,
    ):
        super().__init__()
        self.conv = conv2d(w_in, head_w, 1)
        self.conv_bn = style.norm(head_w)
        self.conv_af = style.act()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc = nn.Linear(head_w, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_af(self.conv_bn(self.conv(x)))
        return self.fc(self.dropout(self.avg_pool(x).flatten(1)))
