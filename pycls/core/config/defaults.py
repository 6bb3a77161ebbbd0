"""The declared keys: those of this program (keys/) and the sections that code from outside adds."""

import re
import sys
from collections.abc import Mapping
from typing import Any

from yacs.config import CfgNode

from pycls.core.config.ancestors.names import IGNORED
from pycls.core.config.key import DECIDES, FORMS, Key, mistake
from pycls.core.config.keys import SECTIONS

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_TYPES = (bool, int, float, str, list)
_OUTSIDE: dict[str, dict[str, Key]] = {}  # section -> its keys


def add_section(name: str, keys: Mapping[str, Key | Any], decides: str = "network") -> None:
    """Add a section of keys, for a network, loss or data set from outside: `add_section("MINE", {"WIDTH": 64})`.

    A plain value is a key with that default (of a list: items of that kind) which decides what `decides` says (one of
    key.DECIDES). Adding the same section again changes nothing; ValueError for another one of that name, and for a
    declaration that means nothing.
    """
    if not _NAME.fullmatch(name) or name in ("", *SECTIONS, *SECTIONS[""], *(key.split(".")[0] for key in IGNORED)):
        raise ValueError(f"add_section: {name!r} is no name for a section: capital letters, and none that is taken")
    section = {
        key: row if isinstance(row, Key) else Key(row, decides, items=_items_of(row)) for key, row in keys.items()
    }
    for key, row in section.items():
        _check_row(f"{name}.{key}", key, row)
    if name in _OUTSIDE and repr(_OUTSIDE[name]) != repr(section):  # repr tells 1 from 1.0 and from True
        raise ValueError(f"add_section: {name} was added before with other keys or defaults; choose another name")
    _OUTSIDE.setdefault(name, section)


def _items_of(default: Any) -> type | None:
    """Return what the items of a list are, as its default has them; None where that does not say."""
    kinds = {type(item) for item in default} if isinstance(default, list) else set()
    kind = float if kinds == {int, float} else next(iter(kinds), None)
    return kind if kind in (int, float, str) and (len(kinds) == 1 or kind is float) else None


def _check_row(where: str, name: str, row: Key) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"add_section: {where}: expected a key in capital letters, such as WIDTH")
    if type(row.default) not in _TYPES:
        raise ValueError(f"add_section: {where}: the default must be a bool, int, float, str or list")
    if row.decides not in DECIDES:
        raise ValueError(f"add_section: {where}: decides must be one of {', '.join(DECIDES)}, got {row.decides!r}")
    if row.form not in FORMS or row.items not in (None, int, float, str, list) or isinstance(row.choices, str):
        raise ValueError(f"add_section: {where}: see Key for what form, items and choices may be")
    expected = mistake(row, row.default, row.choices)
    if expected is not None:
        raise ValueError(f"add_section: {where}: its own default {row.default!r} must be {expected}")


def declared_keys(outside: bool = True) -> dict[str, Key]:
    """Return {"SECTION.KEY": declaration} of every key, in the order of the tree; those from `outside` or not."""
    return {
        f"{section}.{name}" if section else name: row
        for section, rows in {**SECTIONS, **(_OUTSIDE if outside else {})}.items()
        for name, row in rows.items()
    }


def declaration(key: str) -> Key:
    """Return what is declared of "SECTION.KEY"; KeyError for a key that nobody has declared."""
    section, _, name = key.rpartition(".")
    return (SECTIONS.get(section) or _OUTSIDE[section])[name]


def is_declared(key: str) -> bool:
    """Tell whether anybody has declared "SECTION.KEY"."""
    section, _, name = key.rpartition(".")
    return name in (SECTIONS.get(section) or _OUTSIDE.get(section, {}))


def decides(key: str) -> str:
    """Return what a key decides, one of key.DECIDES; KeyError for a key that nobody has declared."""
    return declaration(key).decides


def default_cfg() -> CfgNode:
    """Return a fresh, unfrozen copy of the whole tree."""
    tree: dict[str, Any] = {}
    for section, rows in {**SECTIONS, **_OUTSIDE}.items():
        values = {name: row.default for name, row in rows.items()}
        tree |= {section: values} if section else values
    return CfgNode(tree).clone()


def known_choices(key: str) -> tuple[str, ...]:
    """Return the words allowed for a key: those declared, and those of the family's table once it is imported."""
    return tuple(dict.fromkeys((*declaration(key).choices, *_table(key))))


def table_entry(key: str, name: str) -> Any:
    """Return what the family's table holds under a name, None if it has no such name or is not imported.

    It is for names from outside, whose module has imported the table; what a family knows of its own is not asked here.
    """
    return _table(key).get(name)


def _table(key: str) -> Mapping[str, Any]:
    module, _, table = declaration(key).table.rpartition(".")
    return getattr(sys.modules.get(module), table, {})
