"""What is declared of one config key; everything that treats keys differently reads it here."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

# What a value decides: what equal weights compute in evaluation; which weights come out of training; which pixels are
# seen in which order; the figures of an evaluation; only where and how fast a run is.
DECIDES = ("network", "training", "data", "evaluation", "nothing")

FORMS = ("", "path", "folder", "yaml name", "split", "device")  # of text; checks.py knows what is right

# Upper bounds from here on only catch slips of the keyboard; a message about another mistake need not name them.
_GENEROUS = 100
_NOUNS: dict[type | None, str] = {
    int: "whole numbers",
    float: "numbers",
    str: "words",
    list: "pairs of numbers",
    None: "items",
}


@dataclass(frozen=True)
class Key:
    """The declaration of one key; its default fixes the type of its values (a whole number is accepted for a float).

    Bounds are those of a number, or of each number in a list (nested ones too).
    """

    default: Any  # bool, int, float, str or list
    decides: str  # one of DECIDES
    comment: str = ""  # meaning, unit, source
    _: KW_ONLY
    choices: tuple[str, ...] = ()  # the words allowed ("" where it may stay empty); of a list: of each item
    table: str = ""  # "module.TABLE" whose names they are; code from outside may add to it
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    also: tuple[float, ...] = ()  # values with a meaning of their own outside the bounds, such as 0 for off
    items: type | None = None  # of a list: int, float, str, or list (pairs, with bounds for the numbers in them)
    counts: tuple[int, ...] = ()  # of a list: how many items it may have; empty: any number
    form: str = ""  # of text: one of FORMS; empty: free
    may_be_pair: bool = False  # a whole number that may also be a list of two, [height, width]; equal ones become one
    may_be_auto: bool = False  # a switch that may say `auto` besides True and False: the program decides
    fixed: bool = False  # a run is not resumed with another value: its state or position would not fit
    every_type: bool = False  # decides "network" for networks of every MODEL.TYPE
    implies: tuple[str, Any] | None = None  # setting the key sets another one, too; what is set later wins
    ours: bool = False  # pycls does not have it


def mistake(key: Key, value: Any, choices: Sequence[str]) -> str | None:
    """Return what a value of the right type should have been ("at least 1"), None if it is one that is allowed."""
    items = value if isinstance(value, list) else [value]
    right = (
        _is_pair(value)
        if key.may_be_pair
        else not isinstance(value, list)
        or ((not key.counts or len(value) in key.counts) and all(_is_item(item, key.items) for item in value))
    )
    if right and all(_is_within(key, item, choices) for item in items):
        return None
    if key.at_most is None or key.at_most < _GENEROUS:
        return expectation(key)
    too_large = any(isinstance(item, (int, float)) and item > key.at_most for item in items)
    return expectation(replace(key, at_least=None, above=None) if too_large else replace(key, at_most=None))


def expectation(key: Key) -> str:
    """Return in words what values are allowed, "" where the type says all: "between 0 and 1", "3 numbers ..."."""
    bounds = _bounds_in_words(key)
    if not isinstance(key.default, list):
        return f"{bounds}, or two such numbers [height, width]" if key.may_be_pair else bounds
    noun = _NOUNS[key.items]
    amount = " or ".join("no" if count == 0 else str(count) for count in key.counts)
    return " ".join(f"{amount} {noun}{', each' if bounds and key.items is not list else ''} {bounds}".split())


def _bounds_in_words(key: Key) -> str:
    if key.at_least is not None and key.at_most is not None:
        words = [f"between {_number(key.at_least)} and {_number(key.at_most)}"]
    else:
        named = {"at least": key.at_least, "above": key.above, "at most": key.at_most, "below": key.below}
        words = [f"{name} {_number(bound)}" for name, bound in named.items() if bound is not None]
    text = " and ".join(words) or ("finite" if isinstance(key.default, float) else "")
    return " or ".join([text, *map(_number, key.also)])


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _is_pair(value: Any) -> bool:
    return not isinstance(value, list) or (len(value) == 2 and all(_is_item(part, int) for part in value))


def _is_item(item: Any, kind: type | None) -> bool:
    if kind is None:
        return True
    if kind is list:
        return isinstance(item, list) and len(item) == 2 and all(_is_item(part, float) for part in item)
    return isinstance(item, (int, float) if kind is float else kind) and not isinstance(item, bool)


def _is_within(key: Key, value: Any, choices: Sequence[str]) -> bool:
    if isinstance(value, list):
        return all(_is_within(key, item, choices) for item in value)
    if isinstance(value, str):
        return not choices or value in choices
    if isinstance(value, bool) or value in key.also:
        return True
    if not isinstance(value, (int, float)):
        return False
    return (isinstance(value, int) or math.isfinite(value)) and (
        (key.at_least is None or value >= key.at_least)
        and (key.above is None or value > key.above)
        and (key.at_most is None or value <= key.at_most)
        and (key.below is None or value < key.below)
    )
