"""The names of all classes in a file, in order: one a line, `index name` lines, ImageNet's synset lines, or JSON."""

import json
import re
from collections import Counter
from typing import Any

from pycls.core.bounds.names import is_name
from pycls.core.bounds.regular_file import read_regular
from pycls.core.registry import shown

_SYNSET = re.compile(r"(n\d{8})(\s.*)?")
_MOST_BYTES = 10_000_000  # the 21,841 names of ImageNet-21k take a tenth of that
_INDEXED = re.compile(r"(\d{1,9})[\s,:]+(\S.*)")


def load_classes(path: str, key: str = "DATA.CLASSES") -> tuple[str, ...]:
    """Return the names in a class file; ValueError, naming the key, for what is none.

    A synset line (`n01440764 tench, Tinca tinca`) names its class by the synset, as ImageNet's folders do.
    """
    text = _read(path, key)
    is_json = path.lower().endswith(".json")
    names = _from_json(text, f"{key} {path}") if is_json else _from_lines(text)
    if not names:
        raise ValueError(f"{key} {path}: names no classes; expected one in each line")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{key} {path}: names a class twice: {', '.join(map(shown, twice[:3]))}")
    return tuple(names)


def _read(path: str, key: str) -> str:
    try:
        content = read_regular(path, _MOST_BYTES, f"{key} {shown(path)}:")
    except OSError as error:
        raise ValueError(f"{key} {shown(path)}: {error.strerror or error}") from None
    text = content.decode("utf-8-sig", errors="surrogateescape")
    if "\0" in text:
        raise ValueError(f"{key} {path}: holds zero bytes; expected text, one class in each line")
    return text


def check_counts_from_zero(path: str, key: str = "DATA.CLASSES") -> None:
    """Raise ValueError if the lines of a class file are numbered from 1: labels that are numbers could mean either."""
    if path.lower().endswith(".json"):
        return
    numbered = _numbered(_lines(_read(path, key)))
    if numbered and 0 not in numbered:
        raise ValueError(
            f"{key} {path} counts its classes from 1, and the labels are numbers, which count from 0: number the file "
            "so, or write names in the place of the labels"
        )


def _from_lines(text: str) -> list[str]:
    lines = _lines(text)
    numbered = _numbered(lines)
    return _synsets([numbered[number] for number in sorted(numbered)] or lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _numbered(lines: list[str]) -> dict[int, str]:
    """Return what follows the numbers, if every line has one: from 0 or from 1 on, each once; else nothing."""
    found = [_INDEXED.fullmatch(line) for line in lines]
    numbered = {int(match[1]): match[2].strip() for match in found if match}
    first = min(numbered, default=0)
    return numbered if first in (0, 1) and sorted(numbered) == list(range(first, first + len(lines))) else {}


def _synsets(names: list[str]) -> list[str]:
    found = [_SYNSET.fullmatch(name) for name in names]
    return [match[1] for match in found if match] if all(found) else names


def _from_json(text: str, where: str) -> list[str]:
    """Return the names of a JSON list, of {"0": name} or {"0": [synset, name]}, or of {name: 0}."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from None
    names = _named(content)
    if names is None:
        raise ValueError(f'{where}: expected a list of names, or {{"0": name, ...}}, or {{name: 0, ...}}')
    return names


def _named(content: Any) -> list[str] | None:
    if isinstance(content, dict) and content and all(type(value) is int for value in content.values()):
        content = {str(number): name for name, number in content.items()}
    if isinstance(content, dict):
        numbers = [str(number) for number in range(len(content))]
        if set(content) != set(numbers):
            return None
        content = [content[number] for number in numbers]
    if not isinstance(content, list):
        return None
    names = [item[0] if isinstance(item, list) and item else item for item in content]
    return names if all(map(is_name, names)) else None
