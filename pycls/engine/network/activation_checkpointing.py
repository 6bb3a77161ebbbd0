"""Activation checkpointing: a block keeps its input only, and computes the rest again in the backward pass.

Chen et al., arXiv 1604.06174. Gradients, batch norm statistics and random numbers are those of a run without it.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from pycls.core.module_names import find_blocks


def recompute_blocks(model: nn.Module) -> None:
    """Let every block of a network recompute its activations in the backward pass; names of tensors stay.

    ValueError for a network without blocks.
    """
    blocks = find_blocks(model)
    if not blocks:
        raise ValueError("TRAIN.ACTIVATION_CHECKPOINT True: this network has no blocks that could be recomputed")
    for block in blocks:
        block.forward = Recomputed(block)


class Recomputed:
    """The forward pass of a block, done twice; an object, not a function, so that copies of the block copy it."""

    def __init__(self, block: nn.Module):
        self._block = block

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Call the block with whatever its network hands it."""
        if not torch.is_grad_enabled():
            return self._forward(*inputs, **options)
        contexts = contextlib.nullcontext(), _statistics_kept(self._block)
        return checkpoint(self._forward, *inputs, use_reentrant=False, context_fn=lambda: contexts, **options)

    def _forward(self, *inputs: Any, **options: Any) -> Any:
        return type(self._block).forward(self._block, *inputs, **options)


@contextlib.contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Keep batch norms from counting a batch twice: they take in nothing of it (momentum 0)."""
    norms = [m for m in block.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
