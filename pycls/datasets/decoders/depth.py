"""From the numbers in a file to gray levels: what is white in files of 8, 16 and 32 bits, and of floats.

A file whose white nobody can know is refused: shown wrong it would be black, or white, without a word.
"""

import numpy as np

SIXTEEN_BIT_WHITE = 65_535
_SLACK = 0.5 / 255  # floats beyond 0 and 1 by less than half a gray level are rounding errors


def to_eight_bit(samples: np.ndarray) -> np.ndarray:
    """Return uint8 gray levels of samples as a decoder gives them, of any shape; ValueError where white is unknown.

    Integers of 16 bits keep their high byte, floats between 0 and 1 are scaled to 0 .. 255 and rounded.
    """
    if samples.dtype == np.uint8:
        return samples
    if np.issubdtype(samples.dtype, np.floating):
        return np.rint(255 * unit_floats(samples)).astype(np.uint8)
    return (_sixteen_bit(samples) >> 8).astype(np.uint8)


def to_unit_floats(samples: np.ndarray) -> np.ndarray:
    """Return the same as float32 from 0 to 1, of all their bits; white is 1."""
    if np.issubdtype(samples.dtype, np.floating):
        return unit_floats(samples).astype(np.float32)
    if samples.dtype == np.uint8:
        return samples.astype(np.float32) / 255
    return (_sixteen_bit(samples) / SIXTEEN_BIT_WHITE).astype(np.float32)


def unit_floats(samples: np.ndarray) -> np.ndarray:
    """Return floats clipped to 0 .. 1; ValueError for those that are not between 0 and 1 (or not finite)."""
    if not np.isfinite(samples).all():
        raise ValueError("it has float pixels that are no numbers (NaN or infinite)")
    low, high = float(samples.min()), float(samples.max())
    if low < -_SLACK or high > 1 + _SLACK:
        hint = "divide by what is white, or save it with 8 or 16 bits"
        raise ValueError(f"its float pixels go from {low:g} to {high:g}, expected 0 to 1: {hint}")
    return samples.clip(0, 1)


def _sixteen_bit(samples: np.ndarray) -> np.ndarray:
    """Return integers of which 65535 is white; ValueError for numbers of 32 bits that cannot be meant so."""
    if samples.dtype.kind == "u" and samples.dtype.itemsize == 2:  # of either byte order
        return samples
    low, high = int(samples.min()), int(samples.max())
    if low < 0 or high > SIXTEEN_BIT_WHITE or 0 < high < 256:
        raise ValueError(
            f"its pixels are integers from {low} to {high}, and what is white is not said: save it with 8 or 16 bits"
        )
    return samples
