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
            pairs += [joined[1], joined[2]]
        elif has_config and _CONFIG.fullmatch(word):
            rest += ["--cfg", word]
        elif dashed or not takes_paths or is_key(word):
            pairs += [word, _take_value(parser, word, queue)]
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


def _take_value(parser: argparse.ArgumentParser, key: str, queue: deque[str]) -> str:
    if queue and queue[0] == "=":
        queue.popleft()
    if not queue:
        parser.error(f"overrides come in KEY VALUE pairs; '{key}' at the end has no value")
    value = queue.popleft()
    if find_option(parser, value) is not None or is_declared(value) or value.startswith("--"):
        parser.error(f"overrides come in KEY VALUE pairs; '{key}' has no value before '{value}'")
    return value
