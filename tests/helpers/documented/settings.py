"""Keys with values that the documentation writes into sentences and tables: `TRAIN.MIXUP_ALPHA 0.2`."""

import re
import shlex
from collections.abc import Iterator

from tests.helpers.documented.find import Command, config_files, header_of, inline_code, name_of
from tests.helpers.documented.words import KEYS, WORDS, choices

# What a key's value on a page is meant for.
BESIDE = {"TRAIN.CLASS_WEIGHTS": ["MODEL.NUM_CLASSES", "3"]}
_WORD = re.compile(r"([A-Z][A-Z0-9_]*(?:\.[A-Z][A-Z0-9_]*)?):?")


def settings_of_page(page: str, text: str) -> Iterator[Command]:
    """Yield the settings of a page."""
    for line, code in inline_code(text):
        first = _WORD.fullmatch(code.partition(" ")[0])
        if first and first[1] in KEYS and " " in code:
            yield Command(page, line, code)


def settings_of_headers() -> list[Command]:
    """Return the settings that configs' headers suggest."""
    texts = [(name_of(path), "\n".join(line.removeprefix(" ") for line in header_of(path))) for path in config_files()]
    return [setting for page, text in texts for setting in settings_of_page(page, text)]


def key_values(code: str) -> list[list[str]]:
    """Return KEY VALUE words for every choice that a setting leaves, `KEY a|b`, with what its keys need beside them."""
    pairs: list[list[str]] = []
    for word in shlex.split(code):
        key = _WORD.fullmatch(word)
        if key and key[1] in KEYS:
            pairs.append([key[1], ""])
        else:
            pairs[-1][1] = f"{pairs[-1][1]} {word}".strip()
    (key, value), *others = [(key, WORDS.get(f"{key} {value}", value)) for key, value in pairs]
    rest = [part for pair in others for part in pair] + [part for key, _ in pairs for part in BESIDE.get(key, [])]
    return [[key, choice, *rest] for choice in choices([value])[0]]
