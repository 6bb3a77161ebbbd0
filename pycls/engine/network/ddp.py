"""Replicated training (DDP): every process has the whole network, and backward sums the gradients over all of them."""

import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pycls.core.distributed import world_size
from pycls.core.dtensor import is_sharded


def distribute(model: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a network so that backward sums gradients over the processes in buckets, while it still computes others.

    A single process needs no wrapper, nor do sharded networks. No step hands out buffers: training reads none, and
    `refresh_statistics` does so before each evaluation.
    """
    if world_size() == 1 or is_sharded(next(model.parameters())):
        return model
    newer = "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters  # newer PyTorch
    buffers: dict[str, Any] = {"forward_sync_buffers" if newer else "broadcast_buffers": False}
    device_ids = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=device_ids, gradient_as_bucket_view=True, **buffers)


def gradients_kept_local(net: nn.Module, more_to_come: bool) -> AbstractContextManager:
    """Return the context of a micro-batch: the sum over the processes is left to the last one of a step.

    `net` is the network as it is called: plain, compiled, replicated or sharded.
    """
    module: Any = getattr(net, "_orig_mod", net)  # what torch.compile wraps
    if hasattr(module, "set_requires_gradient_sync"):  # a sharded network
        module.set_requires_gradient_sync(not more_to_come)
    return module.no_sync() if more_to_come and isinstance(module, DistributedDataParallel) else nullcontext()
