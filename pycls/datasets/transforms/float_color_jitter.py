"""Color jitter as the code of CutMix and IDML has it: on floats, in random order, not cut off at black and white.

Brightness, contrast and saturation move a pixel x by a (r - x), towards r: black, the mean gray of the image, or the
pixel's own gray. All three are linear, so that together they are a matrix and a shift an image, and with the
normalization one pass over the pixels, on the training device.
"""

import numpy as np
import torch
from torch import Tensor

from pycls.datasets.info import LUMA
from pycls.datasets.transforms.rng import Stream, uniforms

NUM_DRAWS = 6  # place in the order, then amount, of brightness, contrast and saturation


def jitter_amounts(strengths: tuple[float, float, float], seed: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Draw float32 (n, 3, 3): [i, turn, kind] is the amount a, from [-s, s], of what is done to an image in a turn.

    Each kind (brightness, contrast, saturation, of strengths s) has one turn, and 0 in the others.
    """
    draws = uniforms(seed, Stream.COLOR_JITTER, epoch, indices, NUM_DRAWS)
    order = draws[:, :3].argsort(axis=1)  # the kind of each turn
    amounts = (2 * draws[:, 3:] - 1) * np.array(strengths)
    turns = np.where(order[:, :, None] == np.arange(3), amounts[:, None], 0)
    return turns.astype(np.float32)


def jitter_map(amounts: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
    """Return matrices (n, 3, 3) and shifts (n, 3) that take RGB pixels to jittered ones, in the unit of `means`.

    `amounts` are those of `jitter_amounts`, `means` (n, 3) the images' mean pixels.
    """
    gray, identity = means.new_tensor(LUMA), torch.eye(3, dtype=means.dtype, device=means.device)
    matrix, shift = identity.expand(len(means), 3, 3), torch.zeros_like(means)
    for amount in amounts.to(means.dtype).unbind(1):
        _, contrast, saturation = amount.T
        mean_gray = (gray * (_product(matrix, means[:, :, None])[:, :, 0] + shift)).sum(1)
        turn = (1 - amount.sum(1))[:, None, None] * identity + saturation[:, None, None] * gray
        matrix, shift = _product(turn, matrix), _product(turn, shift[:, :, None])[:, :, 0]
        shift = shift + (contrast * mean_gray)[:, None]
    return matrix, shift


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Return the matrix product of (n, 3, 3) and (n, 3, k), which TF32 does not round as it would one of PyTorch."""
    return (left[:, :, :, None] * right[:, None]).sum(2)
