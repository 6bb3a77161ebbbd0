"""Whether a setting has an effect: one that is given and would not be read is an error, or told (reading.py)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from yacs.config import CfgNode

from pycls.core.config.defaults import declaration
from pycls.core.config.reading import ALWAYS_TOLD, NOTHING, ONE_PHASE, READ_BY, READ_IF, Need
from pycls.core.config.settings import COMMAND_LINE
from pycls.core.registry import shown


def check_effects(cfg: CfgNode, places: Mapping[str, str], command: str = "") -> None:
    """Raise ValueError for the first setting without an effect; `places` says where keys were set.

    Of most keys only those of the command line count; which of them `command` reads is asked if it is given.
    """
    if command in ONE_PHASE and cfg.DATA_DIR:
        need = replace(READ_IF["DATA_DIR"][0], keys=(ONE_PHASE[command],))
        _refuse("" if _is_met(cfg, need) else _reason(cfg, need), cfg, "DATA_DIR", places.get("DATA_DIR", ""))
    for key in ALWAYS_TOLD:
        if _value(cfg, key) != declaration(key).default:
            _check(cfg, key, places.get(key, ""))
    for key in [key for key, place in places.items() if command and place == COMMAND_LINE]:
        readers = READ_BY.get(key) or READ_BY.get(key.rpartition(".")[0])
        if readers and command not in readers.commands and _value(cfg, key) != declaration(key).default:
            raise ValueError(f"{COMMAND_LINE}: {key} is not read by {command}: {readers.instead}")
        _check(cfg, key, COMMAND_LINE)


def is_read(cfg: CfgNode, key: str) -> bool:
    """Tell whether a config's own settings let a key have an effect, whatever data it is used with."""
    return not _idle(cfg, key, in_file=True)


def idle_keys(cfg: CfgNode, keys: Iterable[str]) -> list[str]:
    """Return those of the keys set in a file that have no effect, the ones left at their defaults aside."""
    told = [key for key in keys if key not in ALWAYS_TOLD and _value(cfg, key) != declaration(key).default]
    return [key for key in told if _idle(cfg, key, in_file=True)]


def idle_notes(cfg: CfgNode, places: Mapping[str, str]) -> list[str]:
    """Return in words which keys of a file, each with its place, have no effect: a sentence a reason."""
    groups: dict[str, list[str]] = {}
    for key in idle_keys(cfg, places):
        groups.setdefault(_idle(cfg, key, in_file=True), []).append(key)
    return [
        f"{places[keys[0]]}: {', '.join(keys)} {'do' if keys[1:] else 'does'} nothing {reason}"
        for reason, keys in groups.items()
    ]


def _check(cfg: CfgNode, key: str, place: str) -> None:
    _refuse(_idle(cfg, key), cfg, key, place)


def _refuse(reason: str, cfg: CfgNode, key: str, place: str) -> None:
    if reason:
        where = f"{place}: " if place else ""
        raise ValueError(f"{where}{key} {shown(_value(cfg, key))} does nothing {reason}; {_way_out(key)}")


def _way_out(key: str) -> str:
    if key != "DATA_DIR":
        return "leave it out"
    folders = "TRAIN.DATASET imagenet TEST.DATASET imagenet"
    return f"for class folders of your own add {folders}, or take --cfg configs/finetune/photos.yaml"


def _idle(cfg: CfgNode, key: str, in_file: bool = False) -> str:
    """Return why a key is not read ("for MODEL.TYPE effnet: ..."), "" for one that is, or that asks for nothing."""
    needs = READ_IF.get(key, READ_IF.get(key.rpartition(".")[0], ()))
    row, value = declaration(key), _value(cfg, key)
    if (row.decides != "network" and not _is_on(value)) or (NOTHING in needs and value == row.default):
        return ""
    unmet = (need for need in needs if (need.in_files or not in_file) and not _is_met(cfg, need))
    return next((_reason(cfg, need) for need in unmet), "")


def _is_met(cfg: CfgNode, need: Need) -> bool:
    if need.of and need.of != cfg.MODEL.TYPE:
        return True
    if not need.values:
        return any(_is_on(_value(cfg, key)) for key in need.keys)
    said = {key: _value(cfg, key) for key in need.keys if _value(cfg, key)}  # what is empty is not decided yet
    return not said or any(value in need.values or value not in declaration(key).choices for key, value in said.items())


def _is_on(value: Any) -> bool:
    return any(map(_is_on, value)) if isinstance(value, list) else bool(value)


def _reason(cfg: CfgNode, need: Need) -> str:
    if not need.keys:
        return "here: it is only accepted for pycls's files"
    if not need.values:
        return f"without {' or '.join(map(_switched_on, need.keys))}"
    said = " and ".join(f"{key} {_value(cfg, key)}" for key in need.keys if _value(cfg, key))
    return f"for {said}, only with {need}"


def _switched_on(key: str) -> str:
    return f"{key} True" if isinstance(declaration(key).default, bool) else key


def _value(cfg: CfgNode, key: str) -> Any:
    section, _, name = key.rpartition(".")
    return (cfg[section] if section else cfg)[name]
