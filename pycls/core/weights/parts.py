"""The parts of our checkpoints that say what the weights in them are, and whether each is of its kind."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from pycls.core.bounds.names import is_name
from pycls.core.registry import shown


class UnreadableFile(ValueError):
    """A file that holds nothing to load: damaged, incomplete, of another kind, too large, no file, not to be opened."""


class Part(NamedTuple):
    """What a part has to be, and in words; `is_needed`: a checkpoint without it is not whole."""

    is_right: Callable[[Any], bool]
    expected: str
    is_needed: bool = True


def check_kinds(saved: Mapping[str, Any], parts: Mapping[str, Part], where: str) -> None:
    """Raise UnreadableFile naming the first part that is missing or of another kind."""
    for name, part in parts.items():
        if name not in saved:
            if part.is_needed:
                raise UnreadableFile(f"{where}: has no {name}")
        elif not part.is_right(saved[name]):
            raise UnreadableFile(f"{where}: {name} is {_words(saved[name])}, expected {part.expected}")


def _words(value: Any) -> str:
    """Return a value as an error shows it; of what holds others only its type, or, of a few numbers, all."""
    if isinstance(value, dict) and len(value) <= 2 and all(isinstance(v, (str, int, float)) for v in value.values()):
        return shown(value)
    return shown(value) if value is None or isinstance(value, (str, int, float)) else f"a {type(value).__name__}"


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, infinite ones included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_number_or_none(value: Any) -> bool:
    """Tell whether a value is a number, or says that there is none."""
    return value is None or is_number(value)


def _is_error(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value <= 100)


def _is_best(value: Any) -> bool:
    return is_number(value) and (0 <= value <= 100 or value == math.inf)


def _is_weights(value: Any) -> bool:
    names_fit = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    return names_fit and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _is_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(is_name, value))


# Converted files have fewer than those of a training, which needs more (pycls/engine/restoring/parts.py).
DESCRIPTION = {
    "cfg": Part(lambda value: isinstance(value, str), "the run's config as text"),
    "model_state": Part(_is_weights, "tensors by name"),
    "ema_state": Part(lambda value: value is None or _is_weights(value), "tensors by name, or None", False),
    "classes": Part(_is_names, "the names of the classes", False),
    "pixels": Part(lambda value: isinstance(value, dict), "how images become pixels"),
    "test_err": Part(_is_error, "an error in percent, or None", False),
    "ema_err": Part(_is_error, "an error in percent, or None", False),
    "best_err": Part(_is_best, "an error in percent, or infinity", False),
    "test_loss": Part(is_number_or_none, "a number, or None", False),
    "ema_loss": Part(is_number_or_none, "a number, or None", False),
    "best_loss": Part(is_number, "a number", False),
}


def check_description(saved: Mapping[str, Any], where: str) -> None:
    """Raise UnreadableFile for a file of ours that does not say what its weights are; others say nothing.

    Without its pixels it would be taken for a file of pycls, whose networks see BGR.
    """
    if saved.keys() & {"pixels", "position"} or {"meter", "best_err"} <= saved.keys():
        check_kinds(saved, DESCRIPTION, where)
