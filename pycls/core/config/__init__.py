"""Load, check and print a config: defaults, then a YAML file and what it builds on, then KEY VALUE pairs.

A mistake is answered by one ValueError line that names the file and line (or the argument), the key, what was expected
and the nearest known key. Every key is declared once, in keys/; code from outside adds its own by `add_section`.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from yacs.config import CfgNode

from pycls.core.config.apply import apply_settings, may_leave_none
from pycls.core.config.checks import check_cfg as check_cfg
from pycls.core.config.checks import check_values
from pycls.core.config.combinations import check_divisible as check_divisible
from pycls.core.config.convert import convert, expand_paths
from pycls.core.config.defaults import add_section as add_section
from pycls.core.config.defaults import decides as decides
from pycls.core.config.defaults import declaration, default_cfg
from pycls.core.config.defaults import known_choices as known_choices
from pycls.core.config.defaults import table_entry as table_entry
from pycls.core.config.effect import check_effects
from pycls.core.config.files import file_settings
from pycls.core.config.key import Key as Key
from pycls.core.config.settings import Setting, override_settings, text_settings
from pycls.core.plugins import check_imported, import_plugins
from pycls.core.registry import listed, shown

_PLUGINS = "PLUGINS"
# Overrides by which the config of a checkpoint is read for its words alone, where no code from outside is needed.
WITHOUT_PLUGINS = (_PLUGINS, "[]")
# Sections in which no program describes a network ("": outside of sections).
_NO_NETWORKS = ("", "OPTIM", "TRAIN", "TEST", "DATA", "DATA_LOADER", "CUDNN", "PREC_TIME", "LOG", "LAUNCH", "FSDP")


def load_cfg(cfg_file: str | None, overrides: Sequence[str] = (), command: str = "") -> CfgNode:
    """Return the frozen config: defaults, then the YAML file (None: no file), then `KEY VALUE` pairs.

    `command`: whose command line the pairs are; those without an effect are then a ValueError. In a file they are
    warned of.
    """
    settings = [*file_settings(cfg_file), *override_settings(overrides)]
    import_plugins(*_plugins(settings))  # their names and sections are known from here on
    cfg = default_cfg()
    places, notes, _ = apply_settings(cfg, expand_paths(settings), f"{cfg_file}:")
    if notes:
        warnings.warn("; ".join(notes), stacklevel=2)
    check_cfg(cfg, places)
    check_effects(cfg, places, command)
    cfg.freeze()
    return cfg


def load_cfg_text(text: str, where: str, overrides: Sequence[str] = (), foreign: bool = False) -> CfgNode:
    """Return the frozen config stored as YAML text, in a checkpoint say; `where` names the source in errors.

    Only the overrides are checked: what was stored has run once, under the rules of its day. Only they have PLUGINS
    imported, too: ValueError if the text names some that are not there, unless the overrides name others, or none.
    `foreign`: it is the whole config of another program, and means what that meant by it; its keys that are unknown
    here are set aside, with a warning, unless they may say what its network is.
    """
    stored, given = list(text_settings(text, where)), override_settings(overrides)
    if any(setting.key == _PLUGINS for setting in given):
        import_plugins(*_plugins(given))
    else:
        check_imported(_plugins(stored)[0], where)
    cfg = default_cfg()
    may_leave: Callable[[Setting], bool] = _says_no_network if foreign else may_leave_none
    settings = [*stored, *expand_paths(given)]
    places, notes, left_out = apply_settings(cfg, settings, foreign=foreign, may_leave=may_leave)
    _warn_once([*notes, *([f"set aside: {listed(left_out, 3)}"] if left_out else [])])
    check_values(cfg, {key: place for key, place in places.items() if given and place == given[0].where})
    cfg.freeze()
    return cfg


class StoredCfg(NamedTuple):
    """What can be read of a stored config."""

    cfg: CfgNode
    stated: frozenset[str]  # the keys that it gives
    left_out: list[str]  # what was wrong with the others, in words


def read_stored_cfg(text: str, where: str, foreign: bool = False) -> StoredCfg:
    """Read what can be read of YAML text that says what somebody's network is; nothing is checked, no code imported.

    ValueError for text that is no YAML tree.
    """
    cfg = default_cfg()
    applied = apply_settings(cfg, list(text_settings(text, where)), foreign=foreign, may_leave=lambda _: True)
    _warn_once(applied.notes)
    cfg.freeze()
    return StoredCfg(cfg, frozenset(applied.places), applied.left_out)


def with_value(cfg: CfgNode, key: str, value: Any) -> CfgNode:
    """Return a frozen copy of a config with another value of one key, such as "TRAIN.IM_SIZE"."""
    copy, (section, _, name) = cfg.clone(), key.rpartition(".")
    copy.defrost()
    (copy[section] if section else copy)[name] = value
    copy.freeze()
    return copy


def dump_cfg(cfg: CfgNode) -> str:
    """Return the whole tree as YAML text that `load_cfg` reads back."""
    return cfg.dump(sort_keys=False)


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
    """Yield ("SECTION.KEY", value) for every leaf of a config, or of the plain tree that one was read from."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def diff_cfg(cfg: CfgNode, base: CfgNode | None = None) -> dict[str, Any]:
    """Return {"SECTION.KEY": value} of the leaves that differ from `base` (None: the defaults)."""
    old = dict(flatten(default_cfg() if base is None else base))
    return {key: value for key, value in flatten(cfg) if old.get(key) != value}


def _warn_once(notes: Sequence[str]) -> None:
    """Warn of what stands in a stored config: from one place, as it may be read more than once."""
    if notes:
        warnings.warn("; ".join(notes), stacklevel=1)


def _says_no_network(setting: Setting) -> bool:
    """Tell whether a setting of another program may be left out, as it does not describe the network of its weights."""
    section = setting.key.rpartition(".")[0]
    return section in _NO_NETWORKS or section not in default_cfg()


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
