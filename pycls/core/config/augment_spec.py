"""The grammar of TRAIN.AUGMENT: the name of a policy and, for RandAugment, its numbers, as in RandAugment_N2_M9."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pycls.core.registry import did_you_mean, shown

EXAMPLES = ("AutoAugment", "RandAugment_N2_M9", "TrivialAugment", "AugMix")
_MOST_OPS = 100
_NAMES = tuple(example.split("_")[0] for example in EXAMPLES)


class AugmentName(NamedTuple):
    """TRAIN.AUGMENT taken apart; the numbers are RandAugment's."""

    policy: str
    num_ops: int = 2  # N: operations an image
    magnitude: float = 0.0  # M: strength, in the units of the operator set
    prob: float | None = None  # P: probability of each operation (not torchvision's); None: not written
    std: float | None = None  # S: standard deviation of the noise on M (timm's only); None: not written


def parse_augment(text: str, others: Iterable[str] = ()) -> AugmentName | None:
    """Take TRAIN.AUGMENT apart, "" -> None; ValueError says what is wrong and what could be meant.

    `others`: policies of an operator set from outside, which take no numbers.
    """
    if not text:
        return None
    if text in set(others) - set(_NAMES):
        return AugmentName(text)
    name, *parts = text.split("_")
    if name not in _NAMES:
        meant = did_you_mean(text, EXAMPLES) or did_you_mean(name, _NAMES)
        raise ValueError(f"TRAIN.AUGMENT: unknown choice '{shown(text)}'{meant} (choices: {', '.join(EXAMPLES)})")
    if name != "RandAugment":
        if parts:
            raise ValueError(f"TRAIN.AUGMENT: {name} takes no numbers, got '{shown(text)}'; write {name}")
        return AugmentName(name)
    return _rand_augment(text, parts)


def _rand_augment(text: str, parts: list[str]) -> AugmentName:
    numbers: dict[str, float] = {}
    for part in parts:
        found = re.fullmatch(r"([NMPS])(\d+(?:\.\d+)?)", part)
        if found is None or found[1] in numbers:
            raise ValueError(
                f"TRAIN.AUGMENT: '{shown(part)}' in '{shown(text)}' is not understood; "
                "write RandAugment_N2_M9 for two operations of magnitude 9"
            )
        numbers[found[1]] = float(found[2])
    if "M" not in numbers:
        text = shown(text)
        raise ValueError(f"TRAIN.AUGMENT: '{text}' gives no magnitude; write {text}_M9, for instance")
    num_ops, prob = numbers.get("N", 2.0), numbers.get("P")
    if not 1 <= num_ops <= _MOST_OPS or num_ops != int(num_ops):
        raise ValueError(f"TRAIN.AUGMENT: N in '{shown(text)}' must be a whole number of operations, 1 to {_MOST_OPS}")
    if prob is not None and prob > 1:
        raise ValueError(f"TRAIN.AUGMENT: P in '{shown(text)}' must be a probability, 0 to 1")
    return AugmentName("RandAugment", int(num_ops), numbers["M"], prob, numbers.get("S"))


def check_interpolation(interpolation: str, augment: str, ops: str) -> None:
    """Raise ValueError for a TRAIN.AUGMENT_INTERPOLATION that nothing would follow."""
    if not interpolation:
        return
    key = f"TRAIN.AUGMENT_INTERPOLATION {interpolation}"
    if not augment:
        raise ValueError(
            f"{key} does nothing without TRAIN.AUGMENT; set one of {', '.join(EXAMPLES)}, or leave it empty"
        )
    if ops != "torchvision":
        raise ValueError(
            f"{key} is for TRAIN.AUGMENT_OPS torchvision, got {ops}, whose filters are its own; leave it empty"
        )
