"""Modules that run their children one after the other, whatever these are called: names are those of checkpoints.

And stochastic depth (Huang et al., arXiv 1603.09382), which drops the branches of residual ones.
"""

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


class Residual(nn.Module):
    """A block that adds a branch to a shortcut; training drops the branch of a sample with probability `drop_ratio`."""

    drop_ratio = 0.0

    def kept(self, branch: Tensor) -> Tensor:
        """Return what is left of the branch's output (N, C, H, W) in this pass."""
        return drop_connect(branch, self.drop_ratio) if self.training and self.drop_ratio > 0 else branch


def add_stochastic_depth(model: nn.Module, ratio: float) -> int:
    """Let residual blocks drop their branches, the first never, the last with probability `ratio`, in place.

    Linear in the number of the block (section 4 of the paper; as timm). Return how many blocks there are.
    """
    blocks = [module for module in model.modules() if isinstance(module, Residual)]
    for number, block in enumerate(blocks):
        block.drop_ratio = ratio * number / max(1, len(blocks) - 1)
    return len(blocks)


def drop_connect(x: Tensor, ratio: float) -> Tensor:
    """Zero whole samples of (N, C, H, W) with probability `ratio`, scale the others to keep the mean."""
    keep = 1.0 - ratio
    mask = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(keep)
    return x / keep * mask
