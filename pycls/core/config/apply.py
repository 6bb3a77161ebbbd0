"""Put settings into a tree, in order: what an unknown key is answered with, and what may be left out instead."""

import difflib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from yacs.config import CfgNode

from pycls.core.config.ancestors import todays_settings
from pycls.core.config.convert import convert
from pycls.core.config.defaults import declaration, declared_keys, is_declared
from pycls.core.config.effect import idle_keys, idle_notes
from pycls.core.config.files import BASE
from pycls.core.config.settings import COMMAND_LINE, Setting
from pycls.core.registry import did_you_mean, shown


class Applied(NamedTuple):
    """What came of some settings."""

    places: dict[str, str]  # key -> where it was set last
    notes: list[str]  # to tell the user: keys that are ignored, called otherwise here, or without an effect
    left_out: list[str]  # what was wrong with the settings that were left out


def may_leave_none(setting: Setting) -> bool:
    """Let no setting be left out: every mistake is an error."""
    return False


def apply_settings(
    cfg: CfgNode,
    settings: Sequence[Setting],
    own: str = "",
    foreign: bool = False,
    may_leave: Callable[[Setting], bool] = may_leave_none,
) -> Applied:
    """Apply the settings in order; ValueError for the first wrong one that may not be left out.

    What has no effect in the file whose places begin with `own` is told of; what the command line switches off there is
    meant. `foreign`: they are the whole config of another program.
    """
    current, notes = todays_settings(settings, is_declared, foreign)
    places: dict[str, str] = {}
    left_out: list[str] = []
    for setting in (setting for setting in current if setting.where != COMMAND_LINE):
        try:
            places |= {setting.key: setting.where} if _apply(cfg, setting) else {}
        except ValueError as error:
            if not may_leave(setting):
                raise
            left_out.append(str(error))
    idle = idle_keys(cfg, [key for key, place in places.items() if own and place.startswith(own)])
    given = [setting for setting in current if setting.where == COMMAND_LINE]
    places |= {setting.key: setting.where for setting in given if _apply(cfg, setting)}
    notes += idle_notes(cfg, {key: places[key] for key in idle if places[key] != COMMAND_LINE})
    return Applied(places, notes, left_out)


def _apply(cfg: CfgNode, setting: Setting) -> bool:
    """Apply a setting; return whether it is one, for an empty section is none."""
    found = _find(cfg, setting)
    if found is None:
        return False
    section, name = found
    row = declaration(setting.key)
    section[name] = convert(setting, row)
    if row.implies is not None:
        implied, value = row.implies
        _apply(cfg, Setting(setting.where, implied, value))
    return True


def _find(cfg: CfgNode, setting: Setting) -> tuple[CfgNode, str] | None:
    """Return the section and the name of a key in it, None for an empty section; unknown keys raise ValueError."""
    where, key, value = setting
    if key == BASE:
        raise ValueError(f"{where}: {BASE} is written at the top of a YAML file, outside of its sections")
    *sections, name = key.split(".")
    node = cfg
    for section in sections:
        node = node.get(section) if isinstance(node, CfgNode) else None
    if not isinstance(node, CfgNode) or name not in node:
        raise ValueError(f"{where}: unknown key {shown(key)}{_meant(cfg, key, sections)}")
    if isinstance(node[name], CfgNode):
        if value == {}:
            return None
        raise ValueError(f"{where}: {key} is a section, set one of its keys ({', '.join(node[name])})")
    return node, name


def _meant(cfg: CfgNode, key: str, sections: Sequence[str]) -> str:
    """Return the end of the sentence about an unknown key: what could be meant by it."""
    meant = did_you_mean(key, declared_keys())
    if not sections or sections[0] in cfg:
        return meant
    if meant and difflib.get_close_matches(sections[0].lower(), [section.lower() for section in cfg]):
        return meant
    return f": there is no section {sections[0]}; name the module that adds it in PLUGINS (docs/EXTEND.md)"
