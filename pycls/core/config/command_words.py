"""The words of a command line sorted: KEY VALUE pairs, in whatever way they are written, apart from all the others."""

import argparse
import os
import re
from collections import deque
from collections.abc import Sequence

from pycls.core.config.defaults import is_declared

_KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)?")
_KEY_IS_VALUE = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)
_DASHED_KEY = re.compile(r"--?([A-Z][A-Z0-9_]*(?:\.\w+)?|[A-Za-z_]+\.[\w.]+)(=.*)?", re.DOTALL)
_NEGATIVE = re.compile(r"-\.?\d")
_CONFIG = re.compile(r".+\.ya?ml")


def sort_words(parser: argparse.ArgumentParser, words: Sequence[str], takes_paths: bool) -> tuple[list[str], list[str]]:
    """Return what the parser reads, and KEY VALUE pairs: also KEY=VALUE, --KEY VALUE, and options after pairs.

    `takes_paths`: a word that is no key is the parser's; otherwise all but options are pairs. A YAML file without
    `--cfg` is the config. Ends with the parser's error for a key without a value.
    """
    rest, pairs, queue = list[str](), list[str](), deque(words)
    has_config = "--cfg" in parser._option_string_actions
    while queue:
        word = queue.popleft()
        action = find_option(parser, word)
        dashed = None if action else _DASHED_KEY.fullmatch(word)
        word = f"{dashed[1]}{dashed[2] or ''}" if dashed else word
        if word == "--":
            if takes_paths:
                return [*rest, word, *queue], pairs
            continue
        if action is not None:
            rest.append(word)
            if action.nargs is None and "=" not in word and queue:
                rest.append(queue.popleft())
        elif word.startswith("-") and not _NEGATIVE.match(word):
            parser.error(f"unrecognized arguments: {word}")
        elif (joined := _KEY_IS_VALUE.fullmatch(word)) and (not takes_paths or is_key(joined[1], word)):
            pairs += [joined[1], _whole_list(joined[2], queue)]
        elif has_config and _CONFIG.fullmatch(word):
            rest += ["--cfg", word]
        elif dashed or not takes_paths or is_key(word):
            is_file = takes_paths and not dashed and not is_declared(word)
            pairs += [word, _take_value(parser, word, queue, "no such file, and" if is_file else "")]
        else:
            rest.append(word)
    return rest, pairs


def find_option(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    """Return the option that a word gives, in full or shortened, None for a word that gives none."""
    name, known = word.partition("=")[0], parser._option_string_actions
    if name in known:
        return known[name]
    meant = {known[option] for option in known if name.startswith("--") and name != "--" and option.startswith(name)}
    return meant.pop() if len(meant) == 1 else None


def is_key(word: str, path: str = "") -> bool:
    """Tell whether a word looks like a key and it, or `path`, is none: cameras write IMG_0001.JPG, which looks so."""
    return _KEY.fullmatch(word) is not None and not os.path.exists(path or word)


def _take_value(parser: argparse.ArgumentParser, key: str, queue: deque[str], doubt: str) -> str:
    """Return the value that follows a key; `doubt` says what else the word may have been."""
    mistake = f"{key}: {doubt} overrides come" if doubt else "overrides come"
    if queue and queue[0] == "=":
        queue.popleft()
    if not queue:
        parser.error(f"{mistake} in KEY VALUE pairs; '{key}' at the end has no value")
    value = queue.popleft()
    if find_option(parser, value) is not None or is_declared(value) or value.startswith("--"):
        parser.error(f"{mistake} in KEY VALUE pairs; '{key}' has no value before '{value}'")
    return _whole_list(value, queue)


def _whole_list(value: str, queue: deque[str]) -> str:
    """Return a value with the words that belong to it: without quotes a shell cuts [160, 320] at its spaces."""
    parts = [value]
    while value.startswith(("[", "(")) and _num_open(parts) > 0 and len(parts) <= len(queue):
        parts.append(queue[len(parts) - 1])
    if len(parts) == 1 or _num_open(parts) != 0:
        return value
    for _ in parts[1:]:
        queue.popleft()
    return " ".join(parts)


def _num_open(parts: Sequence[str]) -> int:
    text = "".join(parts)
    return sum(map(text.count, "[(")) - sum(map(text.count, "])"))
