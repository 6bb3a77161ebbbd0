"""Modules that run their children one after the other, whatever these are called: names are those of checkpoints."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """Run the children in the order in which they were added, except `uncertainty`, which a classifier calls."""

    def forward(self, x: Tensor) -> Tensor:
        for name, part in self.named_children():
            if name != "uncertainty":
                x = part(x)
        return x


class InvertedResidual(Chain):
    """The layers one after the other (expand, depthwise, SE, project), plus the input where there is a skip.

    `dc_ratio` is the probability of dropping a sample's branch in training.
    """

    def __init__(self, layers: Iterable[tuple[str, nn.Module]], has_skip: bool, dc_ratio: float):
        super().__init__()
        self.has_skip, self.dc_ratio = has_skip, dc_ratio
        for name, layer in layers:
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        if not self.has_skip:
            return y
        if self.training and self.dc_ratio > 0:
            y = drop_connect(y, self.dc_ratio)
        return x + y


def drop_connect(x: Tensor, ratio: float) -> Tensor:
    """Zero whole samples of (N, C, H, W) with probability `ratio`, scale the others to keep the mean.

    Stochastic depth of a residual branch (Huang et al., arXiv 1603.09382).
    """
    keep = 1.0 - ratio
    mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x / keep * mask
