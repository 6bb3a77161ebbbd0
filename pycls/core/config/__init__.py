"""Load, check and print a config: defaults, then a YAML file and what it builds on, then KEY VALUE pairs.

A mistake is answered by one ValueError line that names the file and line (or the argument), the key, what was expected
and the nearest known key. Every key is declared once, in keys/; code from outside adds its own by `add_section`.
"""

import difflib
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from yacs.config import CfgNode

from pycls.core.bounds.secrets import hide_secrets
from pycls.core.config.checks import check_cfg as check_cfg
from pycls.core.config.checks import check_values
from pycls.core.config.combinations import check_divisible as check_divisible
from pycls.core.config.compat import todays_settings
from pycls.core.config.convert import convert, expand_paths
from pycls.core.config.defaults import add_section as add_section
from pycls.core.config.defaults import decides as decides
from pycls.core.config.defaults import declaration, default_cfg
from pycls.core.config.defaults import known_choices as known_choices
from pycls.core.config.defaults import table_entry as table_entry
from pycls.core.config.effect import check_effects, idle_keys, idle_notes
from pycls.core.config.files import BASE, file_settings
from pycls.core.config.key import Key as Key
from pycls.core.config.settings import COMMAND_LINE, Setting, override_settings, text_settings
from pycls.core.plugins import check_imported, import_plugins
from pycls.core.registry import did_you_mean, shown

_PLUGINS = "PLUGINS"
# Overrides by which the config of a checkpoint is read for its words alone, where no code from outside is needed.
WITHOUT_PLUGINS = (_PLUGINS, "[]")


def load_cfg(cfg_file: str | None, overrides: Sequence[str] = (), command: str = "") -> CfgNode:
    """Return the frozen config: defaults, then the YAML file (None: no file), then `KEY VALUE` pairs.

    `command`: whose command line the pairs are; those without an effect are then a ValueError. In a file they are
    warned of.
    """
    settings = [*file_settings(cfg_file), *override_settings(overrides)]
    import_plugins(*_plugins(settings))  # their names and sections are known from here on
    cfg = default_cfg()
    places = _apply_all(cfg, expand_paths(settings), f"{cfg_file}:")
    check_cfg(cfg, places)
    check_effects(cfg, places, command)
    cfg.freeze()
    return cfg


def load_cfg_text(text: str, where: str, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the frozen config stored as YAML text, in a checkpoint say; `where` names the source in errors.

    Only the overrides are checked: what was stored has run once, under the rules of its day. Only they have PLUGINS
    imported, too: ValueError if the text names some that are not there, unless the overrides name others, or none.
    """
    stored, given = list(text_settings(text, where)), override_settings(overrides)
    if any(setting.key == _PLUGINS for setting in given):
        import_plugins(*_plugins(given))
    else:
        check_imported(_plugins(stored)[0], where)
    cfg = default_cfg()
    places = _apply_all(cfg, [*stored, *expand_paths(given)])
    check_values(cfg, {key: place for key, place in places.items() if given and place == given[0].where})
    cfg.freeze()
    return cfg


def with_value(cfg: CfgNode, key: str, value: Any) -> CfgNode:
    """Return a frozen copy of a config with another value of one key, such as "TRAIN.IM_SIZE"."""
    copy, (section, _, name) = cfg.clone(), key.rpartition(".")
    copy.defrost()
    (copy[section] if section else copy)[name] = value
    copy.freeze()
    return copy


def dump_cfg(cfg: CfgNode) -> str:
    """Return the whole tree as YAML text that `load_cfg` reads back; passwords in addresses become ***."""
    return without_secrets(cfg).dump(sort_keys=False)


def without_secrets(cfg: CfgNode) -> CfgNode:
    """Return a copy to be shown or stored: passwords in addresses are ***."""
    copy = cfg.clone()
    copy.defrost()
    for key, value in flatten(cfg):
        section, _, name = key.rpartition(".")
        (copy[section] if section else copy)[name] = value
    return copy


def dump_changes(cfg: CfgNode) -> str:
    """Return YAML text of the keys that differ from the defaults, in the order of the tree, lists on one line."""
    lines, section = [], ""
    for key, value in diff_cfg(cfg).items():
        *sections, name = key.split(".")
        if sections and sections[0] != section:
            lines.append(f"{sections[0]}:")
        section = sections[0] if sections else ""
        text = yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize).strip()[1:-1]
        lines.append(f"{'  ' if sections else ''}{name}: {text}")
    return "\n".join(lines) + "\n"


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ("SECTION.KEY", value) for every leaf of a config, or of the plain tree that one was read from.

    What is shown, compared and stored comes from here: passwords in addresses are hidden.
    """
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hide_secrets(value) if isinstance(value, str) else value


def diff_cfg(cfg: CfgNode, base: CfgNode | None = None) -> dict[str, Any]:
    """Return {"SECTION.KEY": value} of the leaves that differ from `base` (None: the defaults)."""
    old = dict(flatten(default_cfg() if base is None else base))
    return {key: value for key, value in flatten(cfg) if old.get(key) != value}


def _plugins(settings: Sequence[Setting]) -> tuple[list[Any], str]:
    """Return the value of PLUGINS, the last one given, and where that was written."""
    setting = next((setting for setting in reversed(settings) if setting.key == _PLUGINS), None)
    if setting is None:
        return [], _PLUGINS
    try:
        return convert(setting, declaration(_PLUGINS)), f"{setting.where}: {_PLUGINS}"
    except ValueError:
        expected = "a list of modules, such as '[\"my_package.my_module\"]'"
        raise ValueError(f"{setting.where}: {_PLUGINS} expects {expected}, got {shown(setting.value)}") from None


def _apply_all(cfg: CfgNode, settings: Sequence[Setting], own: str = "") -> dict[str, str]:
    """Apply the settings in order and return {key: where it was set last}.

    One warning tells of all keys that are ignored or called otherwise here, and of what has no effect in the file whose
    places begin with `own`; what the command line switches off there is meant.
    """
    current, notes = todays_settings(settings)
    written = [setting for setting in current if setting.where != COMMAND_LINE]
    places = {setting.key: setting.where for setting in written if _apply(cfg, setting)}
    idle = idle_keys(cfg, [key for key, place in places.items() if own and place.startswith(own)])
    given = [setting for setting in current if setting.where == COMMAND_LINE]
    places |= {setting.key: setting.where for setting in given if _apply(cfg, setting)}
    notes += idle_notes(cfg, {key: places[key] for key in idle if places[key] != COMMAND_LINE})
    if notes:
        warnings.warn("; ".join(notes), stacklevel=3)
    return places


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
    meant = did_you_mean(key, [known for known, _ in flatten(cfg)])
    if not sections or sections[0] in cfg:
        return meant
    if meant and difflib.get_close_matches(sections[0].lower(), [section.lower() for section in cfg]):
        return meant
    return f": there is no section {sections[0]}; name the module that adds it in {_PLUGINS} (docs/EXTEND.md)"
