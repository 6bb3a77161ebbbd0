"""Precise batch norm statistics (Wu & Johnson 2021, section 3): means over training batches not moving ones.

As pycls since its PR 93: the mean of batch means and the mean of (unbiased) batch variances, over all processes.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pycls.core.distributed import all_reduce_sum, world_size
from pycls.engine.network.freeze import set_train_mode


def num_precise_batches(num_samples: int, batch_size: int, num_batches: int) -> int:
    """Return how many training batches make up `num_samples` images: at least one, at most an epoch."""
    return max(1, min(num_samples // batch_size, num_batches))


@torch.no_grad()
def compute_precise_bn(models: Sequence[nn.Module], batches: Iterable[Tensor], frozen: Sequence[str] = ()) -> None:
    """Replace the running statistics of every batch norm in the models by means over the batches of images, in place.

    All models see the same batches; each runs in train mode (its `frozen` parts in that of evaluation, which keep their
    statistics) and full precision. The number of batches must be the same on every process.
    """
    for model in models:
        set_train_mode(model, frozen)
    modules = [module for model in models for module in model.modules()]
    norms: list[Any] = [m for m in modules if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [m for m in norms if m.training and m.track_running_stats and m.running_mean is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    sums = [(torch.zeros_like(norm.running_mean), torch.zeros_like(norm.running_var)) for norm in norms]
    try:
        count = _accumulate(models, norms, sums, batches)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    for norm, (mean, var) in zip(norms, sums, strict=True):
        norm.running_mean.copy_(all_reduce_sum(mean) / (count * world_size()))
        norm.running_var.copy_(all_reduce_sum(var) / (count * world_size()))


def _accumulate(models: Sequence[nn.Module], norms: list, sums: list[tuple[Tensor, Tensor]], batches: Iterable) -> int:
    for norm in norms:
        norm.momentum = 1.0  # the running statistics become those of the last batch
    count = 0
    for images in batches:
        for model in models:
            model(images)
        for norm, (mean, var) in zip(norms, sums, strict=True):
            mean += norm.running_mean
            var += norm.running_var
        count += 1
    assert count > 0, "precise BN needs at least one batch"
    return count
