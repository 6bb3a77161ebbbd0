"""What is declared of the keys, for people: `python -m pycls.core.config.describe > docs/KEYS.md`.

With words, keys or sections such as OPTIM or TRAIN.IM_SIZE, only what is known of those.
"""

import sys
from collections.abc import Sequence
from typing import Any

import yaml

from pycls.core.config.defaults import declared_keys
from pycls.core.config.key import Key, expectation
from pycls.core.config.reading import NOTHING, READ_IF, Need
from pycls.core.registry import did_you_mean
from pycls.core.stop_signals import quiet_closed_pipe

_HEAD = """# Every key

Written by `python -m pycls.core.config.describe > docs/KEYS.md` from the declarations in `pycls/core/config/keys/`. The
same command with a section or key (`... describe OPTIM.MIN_LR`) shows what is known of it. Keys with a star are not
pycls's.

What a key *decides* says what a difference means. **network**: what equal weights compute; a checkpoint is neither
resumed nor evaluated with another value. **training**: which weights come out; a resume with another value warns.
**data**: which pixels are seen in which order; it warns, too. **evaluation**: the figures of a test. **nothing**: only
where and how fast a run is. **fixed**: a resume with another value is refused.

A file has at most 2,000,000 bytes, 20 levels and, aliases (`*name`) counted as what they refer to, 200,000 values; with
all its bases it is at most 100 files.
"""
_FORMS = {
    "path": "a path",
    "folder": "a folder",
    "yaml name": "a file name that ends in .yaml",
    "device": "auto, cuda, cuda:N, mps, cpu",
}
_KINDS = {bool: "True, False", str: "text"}


def page() -> str:
    """Return docs/KEYS.md: a table for each section of this program, the keys outside of sections last."""
    tables: dict[str, list[str]] = {}
    for key, row in declared_keys(outside=False).items():
        section, _, name = key.rpartition(".")
        cells = (
            f"`{name}`{' *' if row.ours else ''}",
            f"`{value_text(row.default)}`",
            allowed(row),
            _decides(row),
            row.comment + (f"; {words}" if (words := _read_with(READ_IF.get(key, ()))) else ""),
        )
        tables.setdefault(section, []).append(_line(cells))
    heading = _line(("key", "default", "allowed", "decides", "meaning"))
    blocks = [
        "\n".join([*_section_head(section), heading, "|---" * 5 + "|", *lines]) for section, lines in tables.items()
    ]
    return "\n".join([_HEAD, "\n\n".join(blocks), ""])


def describe(words: Sequence[str]) -> str:
    """Return what is known of the keys and sections that the words name; ValueError for a word that names none."""
    declared, lines = declared_keys(), []
    for word in words:
        found = {key: row for key, row in declared.items() if word in (key, key.rpartition(".")[0])}
        if not found:
            raise ValueError(f"unknown key {word}{did_you_mean(word, declared)}")
        for key, row in found.items():
            lines.append(f"{key} {value_text(row.default)}\n    {row.comment}")
            lines.append(f"    allowed: {allowed(row)}; decides: {_decides(row)}{'' if row.ours else '; as pycls'}")
            needs = READ_IF.get(key, READ_IF.get(key.rpartition(".")[0], ()))
            lines += [f"    {_read_with(needs)}"] if needs else []
    return "\n".join(lines) + "\n"


def _read_with(needs: Sequence[Need]) -> str:
    if NOTHING in needs:
        return "no effect here"
    return f"read with {' and '.join(map(str, needs))}" if needs else ""


def _section_head(section: str) -> list[str]:
    words = _read_with(READ_IF.get(section, ()))
    note = [f"{words[0].upper()}{words[1:]}, where a key does not say otherwise.\n"] if words else []
    return [f"## {section or 'Outside of sections'}\n", *note]


def _decides(row: Key) -> str:
    return f"{row.decides}, fixed" if row.fixed else row.decides


def allowed(row: Key) -> str:
    """Return in words what values a key may have."""
    if row.choices:
        names = ", ".join(name or "(empty)" for name in row.choices)
        return f"list of {names}" if isinstance(row.default, list) else names
    words = "True, False, auto" if row.may_be_auto else _FORMS.get(row.form) or _KINDS.get(type(row.default), "")
    noun = {int: "whole number, ", float: ""}.get(type(row.default), "")
    return words or noun + expectation(row)


def value_text(value: Any) -> str:
    """Return a value as it is written in a YAML file, on one line."""
    return yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize).strip()[1:-1]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main(words: Sequence[str]) -> int:
    """Print the page, or what is known of the keys and sections named; return the exit code (2: no such key)."""
    try:
        with quiet_closed_pipe():
            print(describe(words) if words else page(), end="")
    except ValueError as error:
        print(f"describe: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
