"""Checks of a finished tree: each value against its declaration, then what settings would do together."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.config.combinations import check_combinations
from pycls.core.config.defaults import declaration, declared_keys, known_choices
from pycls.core.config.key import Key, mistake
from pycls.core.registry import did_you_mean, shown

_LONGEST_NAME = 200  # file systems take 255 bytes, of which an unfinished file needs some
_LONGEST_PART, _LONGEST_PATH = 255, 4000  # of a name in a path, of all of it
_FOLDERS_HINT = "which DATA_DIR takes: write TRAIN.DATASET imagenet TEST.DATASET imagenet DATA_DIR <folder>"
_KEY = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)?")


def check_cfg(cfg: CfgNode, places: Mapping[str, str] | None = None) -> None:
    """Raise ValueError for values and combinations that could not run; `places` says where keys were set."""
    places = dict(places or {})
    check_values(cfg, dict.fromkeys(declared_keys(), "") | places)
    try:
        check_combinations(cfg)
    except ValueError as error:
        raise ValueError(f"{_places_of(str(error), places)}{error}") from None


def _places_of(message: str, places: Mapping[str, str]) -> str:
    """Return where the keys that a message names were set, as its beginning; "" for defaults."""
    named = dict.fromkeys(places[key] for key in _KEY.findall(message) if key in places)
    return f"{', '.join(named)}: " if named else ""


def check_values(cfg: CfgNode, places: Mapping[str, str]) -> None:
    """Raise ValueError for the first key whose value its declaration does not allow: key -> where it was set."""
    for key, place in places.items():
        section, _, name = key.rpartition(".")
        wrong = _mistake(key, (cfg[section] if section else cfg)[name], declaration(key))
        if wrong is not None:
            raise ValueError(f"{place}: {wrong}" if place else wrong)


# ---- one value


def _mistake(key: str, value: Any, row: Key) -> str | None:
    """Return what is wrong with a value in one sentence, None for one that is allowed."""
    choices = known_choices(key)
    for word in value if isinstance(value, list) else [value]:
        if choices and isinstance(word, str) and word not in choices:
            known = ", ".join(choice for choice in choices if choice)
            if key.endswith(".DATASET") and _is_path(word):
                return f"{key} {shown(word)}: is a path, {_FOLDERS_HINT} (choices: {known})"
            outside = "; PLUGINS adds others" if row.table else ""
            return f"{key}: unknown choice '{shown(word)}'{did_you_mean(word, choices)} (choices: {known}{outside})"
    expected = _WRONG_FORM[row.form](value) if row.form else mistake(row, value, choices)
    return None if expected is None else f"{key} must be {expected}, got {_in_quotes(value)}"


def _is_path(word: str) -> bool:
    return os.sep in word or word in (".", "..") or Path(word).suffix != "" or os.path.isdir(word)


def _in_quotes(value: Any) -> str:
    return f"'{shown(value)}'" if isinstance(value, str) else shown(value)


def _not_path(text: str) -> str | None:
    if not text.isprintable():
        return "a path without control characters"
    names = [] if "://" in text else text.split(os.sep)
    is_short = len(text) <= _LONGEST_PATH and all(len(os.fsencode(name)) <= _LONGEST_PART for name in names)
    return None if is_short else f"a path of names that have {_LONGEST_PART} bytes at most"


def _not_folder(text: str) -> str | None:
    if "://" in text:  # it would become folders here, called http: and the like, password and all
        return "a folder of this machine"
    return _not_path(text) if text.strip() else "a folder (. is the current one)"


def _not_yaml_name(text: str) -> str | None:
    is_name = (
        len(text) <= _LONGEST_NAME
        and Path(text).name == text
        and text.isprintable()
        and Path(text).suffix in (".yaml", ".yml")
    )
    return None if is_name else "the bare name of a file in OUT_DIR that ends in .yaml, such as config.yaml"


def _not_split(text: str) -> str | None:
    is_name = _not_path(text) is None and Path(text).name == text and text.strip() and not text.startswith(".")
    return None if is_name else "the bare name of a part of the data set, such as train or val"


def _not_device(text: str) -> str | None:
    is_known = text in ("auto", "cuda", "mps", "cpu") or re.fullmatch(r"cuda:\d{1,4}", text, re.ASCII)
    return None if is_known else "auto, cuda, cuda:N (the GPU of number N), mps or cpu"


# What text of a form should have been, None for one that is right.
_WRONG_FORM = {
    "path": _not_path,
    "folder": _not_folder,
    "yaml name": _not_yaml_name,
    "split": _not_split,
    "device": _not_device,
}
