"""Fill a network with numbers that depend on nothing but each tensor's name and shape.

Two implementations whose state_dict keys and shapes agree then hold the same parameters, whatever their module order,
initialization or framework version, so their outputs can be compared. The recorded numbers in tests/records were made
with these rules; first match wins, n is a standard normal draw of the tensor's shape:

    num_batches_tracked, integers    0
    running_mean                     0.1 n
    running_var                      1 + 0.2 |n|
    two or more dimensions           n / sqrt(product of all but the first)
    weight (of a norm)               1 + 0.1 n
    anything else                    0.1 n
"""

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def normals(seed: int, count: int) -> np.ndarray:
    """Return `count` standard normals (float64) of a counter-based stream keyed by `seed`.

    numpy guarantees Philox's raw 64-bit words for ever but not its own normals, hence Box-Muller by hand: the first
    half of the words gives the radii, the second half the angles.
    """
    num_pairs = (count + 1) // 2
    words = np.random.Philox(key=seed).random_raw(2 * num_pairs)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53  # 53 bits, never 0 or 1
    radii = np.sqrt(-2.0 * np.log(uniform[:num_pairs]))
    angles = 2.0 * np.pi * uniform[num_pairs:]
    return np.concatenate([radii * np.cos(angles), radii * np.sin(angles)])[:count]


def values_for(key: str, shape: tuple[int, ...], is_float: bool = True) -> np.ndarray:
    """Return the float64 array of one state_dict entry."""
    leaf = key.rpartition(".")[2]
    if not is_float or leaf == "num_batches_tracked":
        return np.zeros(shape)
    n = normals(zlib.crc32(key.encode()), math.prod(shape)).reshape(shape)
    if leaf == "running_mean":
        return 0.1 * n
    if leaf == "running_var":
        return 1.0 + 0.2 * np.abs(n)
    if len(shape) >= 2:
        return n / np.sqrt(float(math.prod(shape[1:])))
    return 1.0 + 0.1 * n if leaf == "weight" else 0.1 * n


@torch.no_grad()
def fill_(model: nn.Module) -> nn.Module:
    """Fill the model's parameters and buffers in place, rounding to their dtype; return the model."""
    for key, tensor in model.state_dict().items():
        tensor.copy_(torch.from_numpy(values_for(key, tuple(tensor.shape), tensor.is_floating_point())))
    return model


def make_input(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Return standard normals of `shape`, float32."""
    return torch.from_numpy(normals(seed, math.prod(shape)).reshape(shape).astype(np.float32))
