"""What a network says of a batch in evaluation and prediction."""

import torch
from torch import Tensor, nn

from pycls.engine.precision import Precision
from pycls.models.introspective import with_uncertainty


def forward(
    model: nn.Module, images: Tensor, precision: Precision, hflip: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Return logits (N, K) of images (N, 3, S, S) in float32 or wider, and uncertainties (N,) if there are any.

    `hflip`: the means over each image and its mirror image.
    """
    with precision.autocast():
        logits, uncertainty = with_uncertainty(model, images)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if not hflip:
        return logits, uncertainty
    mirrored, doubts = forward(model, images.flip(3), precision)
    return (logits + mirrored) / 2, None if uncertainty is None else (uncertainty + doubts) / 2
