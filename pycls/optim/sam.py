"""Sharpness-aware minimization: the gradient of a step is taken a little uphill (Foret et al. 2021)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pycls.core.dtensor import local_part, whole


def climb(model: nn.Module, rho: float) -> Callable[[], None]:
    """Move the weights by `rho` along their gradient, as one vector; return the function that brings them back.

    It restores the buffers too, so that batch norm's statistics are those of the weights themselves.
    """
    pairs = [(p.detach(), p.grad) for p in model.parameters() if p.grad is not None]
    norm = whole(torch.linalg.vector_norm(torch.stack(torch._foreach_norm([grad for _, grad in pairs]))))
    moved, gradients = [local_part(p) for p, _ in pairs], [local_part(grad) for _, grad in pairs]
    kept = [*moved, *model.buffers()]
    before = [tensor.detach().clone() for tensor in kept]
    with torch.no_grad():
        torch._foreach_add_(moved, torch._foreach_mul(gradients, rho / (norm + 1e-12)))
    return lambda: _restore(kept, before)


@torch.no_grad()
def _restore(tensors: list[Tensor], before: list[Tensor]) -> None:
    torch._foreach_copy_(tensors, before)
