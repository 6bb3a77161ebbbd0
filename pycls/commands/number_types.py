"""Types of option values, as argparse takes them: a number out of its range is a mistake of the command line."""

import argparse
import math
from collections.abc import Callable

from pycls.core.registry import shown


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`, both allowed; None: any above."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise _mistake(text, f"a whole number {_range(low, high)}") from None
        if value < low or (high is not None and value > high):
            raise _mistake(text, f"a whole number {_range(low, high)}")
        return value

    return read


def positive(unit: str) -> Callable[[str], float]:
    """Return a reader of numbers above 0, finite ones."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise _mistake(text, f"a number of {unit} above 0")
        return value

    return read


def _range(low: int, high: int | None) -> str:
    return f"of at least {low}" if high is None else f"between {low} and {high:,}"


def _mistake(text: str, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"expected {expected}, got '{shown(text)}'")
