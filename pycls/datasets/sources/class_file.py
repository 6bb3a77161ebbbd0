"""The names of all classes in a file, in order: one a line, `index name` lines, ImageNet's synset lines, or JSON."""

import json
import re
from pathlib import Path
from typing import Any

_SYNSET = re.compile(r"(n\d{8})(\s.*)?")
_INDEXED = re.compile(r"(\d{1,9})[\s,:]+(\S.*)")


def load_classes(path: str, key: str = "DATA.CLASSES") -> tuple[str, ...]:
    """Return the names in a class file; ValueError, naming the key, for what is none.

    A synset line (`n01440764 tench, Tinca tinca`) names its class by the synset, as ImageNet's folders do.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise ValueError(f"{key} {path}: {error.strerror or error}") from None
    if "\0" in text:
        raise ValueError(f"{key} {path}: holds zero bytes; expected text, one class in each line")
    is_json = path.lower().endswith(".json")
    names = _from_json(text, f"{key} {path}") if is_json else _from_lines(text)
    if not names:
        raise ValueError(f"{key} {path}: names no classes; expected one in each line")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"{key} {path}: names a class twice: {', '.join(twice[:3])}")
    return tuple(names)


def _from_lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _synsets(_by_index(lines))


def _by_index(lines: list[str]) -> list[str]:
    """Return what follows the numbers, in their order, if every line has one: from 0 or from 1 on, each once."""
    found = [_INDEXED.fullmatch(line) for line in lines]
    numbered = {int(match[1]): match[2].strip() for match in found if match}
    numbers = sorted(numbered)
    is_indexed = len(numbers) == len(lines) > 0 and numbers in (
        list(range(len(lines))),
        list(range(1, len(lines) + 1)),
    )
    return [numbered[number] for number in numbers] if is_indexed else lines


def _synsets(names: list[str]) -> list[str]:
    found = [_SYNSET.fullmatch(name) for name in names]
    return [match[1] for match in found if match] if all(found) else names


def _from_json(text: str, where: str) -> list[str]:
    """Return the names of a JSON list, of {"0": name} or {"0": [synset, name]}, or of {name: 0}."""
    try:
        content = json.loads(text)
    except ValueError as error:
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
    return names if all(isinstance(name, str) for name in names) else None
