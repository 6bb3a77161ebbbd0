"""From text to the type of a key's default; nothing else is converted, but for whole numbers where a float is meant."""

import ast
import copy
import re
from collections.abc import Sequence
from typing import Any

from pycls.core.config.ancestors.names import RENAMED
from pycls.core.config.defaults import declaration, is_declared
from pycls.core.config.key import Key
from pycls.core.config.settings import Setting, YamlBool
from pycls.core.paths import expand_path
from pycls.core.registry import shown

_EXPECTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text", list: "a list"}
_WORDS = re.compile(r"\[\s*[\w.-]+(\s*,\s*[\w.-]+)*\s*\]")
_PATHS = ("path", "folder")
_TOO_LARGE = 10**30  # beyond all that a key could mean; Python does not print numbers of 5,000 digits


def expand_paths(settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings with `~` and variables of paths replaced; ValueError names a variable that is not set."""
    return [
        setting._replace(value=expand_path(setting.value, f"{setting.where}: {setting.key}"))
        if isinstance(setting.value, str) and _is_path(RENAMED.get(setting.key, setting.key))
        else setting
        for setting in settings
    ]


def _is_path(key: str) -> bool:
    return is_declared(key) and declaration(key).form in _PATHS


def convert(setting: Setting, row: Key) -> Any:
    """Return a setting's value with the type of the key's default; null gives the default back."""
    where, key, value = setting
    if value is None or (isinstance(value, str) and value == "null"):
        return copy.deepcopy(row.default)
    if row.may_be_auto and value == "auto":
        return value
    if row.may_be_pair and isinstance(pair := _literal(value), (list, tuple)):
        return _to_pair(pair)
    kind = type(row.default)
    converted = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str, list: _to_list}[kind](value)
    if converted is None:
        expected = "True, False or auto" if row.may_be_auto else _EXPECTED[kind]
        expected += " or two, [height, width]" if row.may_be_pair else ""
        raise ValueError(f"{where}: {key} expects {expected}, got {shown(value)}")
    return converted


def _literal(value: Any) -> Any:
    """Read a string as a Python literal, as yacs does: PyYAML leaves `5e-5` a string."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return str(value)  # a YamlBool is text from here on


def _to_bool(value: Any) -> bool | None:
    words = {"true": True, "false": False}
    if isinstance(value, YamlBool):
        words |= {"yes": True, "on": True, "no": False, "off": False}
    if isinstance(value, str):
        return words.get(value.lower())
    return value if isinstance(value, bool) else None


def _to_int(value: Any) -> int | None:
    value = _literal(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and abs(value) < _TOO_LARGE else None


def _to_float(value: Any) -> float | None:
    value = _literal(value)
    try:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    except OverflowError:  # a whole number of more than 308 digits
        return None


def _to_str(value: Any) -> str | None:
    if isinstance(value, str):
        literal = _literal(value)
        return str(literal if isinstance(literal, str) else value)
    return None


def _to_list(value: Any) -> list | None:
    value = _literal(value)
    if isinstance(value, str) and _WORDS.fullmatch(value):  # as YAML has them: [stem, s1]
        value = [word.strip() for word in value[1:-1].split(",")]
    return _literals(value) if isinstance(value, (list, tuple)) else None


def _to_pair(values: Sequence[Any]) -> Any:
    """Return [height, width], one number where they are equal; what is no pair is left to the check of the value."""
    pair = _literals(values)
    return pair[0] if len(pair) == 2 and pair[0] == pair[1] else pair


def _literals(items: Sequence[Any]) -> list:
    return [_literals(item) if isinstance(item, (list, tuple)) else _literal(item) for item in items]
