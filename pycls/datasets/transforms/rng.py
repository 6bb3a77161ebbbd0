"""Counter-based random numbers: a draw is a pure function of (seed, stream, epoch, sample index, position).

The hash is splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): 64-bit
integer arithmetic only, so the bits are the same on every platform and for every numpy. Nothing is stored: a resumed
run, another worker or another GPU computes the same numbers.
"""

from enum import IntEnum

import numpy as np

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15  # the odd integer nearest to 2**64 / golden ratio


class Stream(IntEnum):
    """What a draw is for; the streams are independent. Append new ones: a number, once published, keeps its meaning."""

    ORDER = 1
    BOX = 2
    FLIP = 3
    LIGHTING = 4
    MIX = 5
    AUGMENT = 6
    COLOR_JITTER = 7
    ERASE = 8
    MIX_PARTNER = 9
    SUBSTITUTE = 15
    BALANCE = 16
    FILTER = 17


def uniforms(seed: int, stream: int, epoch: int, indices: np.ndarray, count: int) -> np.ndarray:
    """Draw float64 (n, count) uniform in [0, 1), `count` numbers for each of the n sample indices."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
    bits = mix(hashes(seed, stream, epoch, indices)[:, None] + steps)
    return (bits >> np.uint64(11)) * 2.0**-53


def normals(seed: int, stream: int, epoch: int, indices: np.ndarray, count: int) -> np.ndarray:
    """Draw float64 (n, count) from N(0, 1), by the Box-Muller transform of two uniform draws each."""
    draws = uniforms(seed, stream, epoch, indices, 2 * count)
    radius = np.sqrt(-2 * np.log1p(-draws[:, :count]))  # log(1 - u): u may be 0 but is never 1
    return radius * np.cos(2 * np.pi * draws[:, count:])


def hashes(seed: int, stream: int, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Hash each index to 64 bits, uint64 (n,): the outputs of one splitmix64 generator at the given positions."""
    key = _key(seed, stream, epoch)
    return mix(np.uint64(key) + (np.asarray(indices).astype(np.uint64) + np.uint64(1)) * np.uint64(GAMMA))


def _key(seed: int, stream: int, epoch: int) -> int:
    """Fold three integers into one 64-bit key."""
    key = np.zeros(1, dtype=np.uint64)
    for word in (seed, stream, epoch):
        key = mix((key ^ np.uint64(word & MASK)) + np.uint64(GAMMA))
    return int(key[0])


def mix(bits: np.ndarray) -> np.ndarray:
    """Apply the splitmix64 finaliser, a bijection of 64-bit integers (overflow wraps on purpose)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
