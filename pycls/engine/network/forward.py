"""What a network says of a batch in evaluation and prediction."""

import torch
from torch import Tensor, nn

from pycls.engine.network.precision import Precision
from pycls.models.layers.introspective import with_pulls


def forward(
    model: nn.Module, images: Tensor, precision: Precision, hflip: bool = False, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return logits (N, K) of images (N, 3, S, S) in float32 or wider, and uncertainties (N,) if there are any.

    `hflip`: of the means over each image and its mirror image. `chosen`, int64 (C,): of these outputs, as if there
    were no others (C for K).
    """
    views = (images, images.flip(3)) if hflip else (images,)
    logits, pulls = zip(*(_see(model, view, precision) for view in views), strict=True)
    mean = _choose(sum(logits) / len(views), chosen)
    if pulls[0] is None:
        return mean, None
    pull = _choose(sum(pulls) / len(views), chosen)
    return mean, pull.gather(1, mean.argmax(1, keepdim=True)).squeeze(1)


def _choose(columns: Tensor, chosen: Tensor | None) -> Tensor:
    return columns if chosen is None else columns[:, chosen]


def _see(model: nn.Module, images: Tensor, precision: Precision) -> tuple[Tensor, Tensor | None]:
    with precision.autocast():
        logits, pulls = with_pulls(model, images)
    return logits.to(torch.promote_types(logits.dtype, torch.float32)), pulls
