"""Look-up in the literal tables (MODELS, LOSSES, ...) and the words of errors that help."""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any, TypeVar

from pycls.core.bounds.secrets import hide_secrets

T = TypeVar("T")

_LONGEST_SHOWN, _LONGEST_LINE = 100, 300
_LONGEST_READ = 10_000  # of an error; what hides passwords takes its time
_JOINERS = "\u200c\u200d"  # of Arabic and Indian letters, and of emoji


def printable(text: str) -> str:
    """Return text as one line: characters that no terminal shows, newlines and escapes say, are spelled out.

    So are those that turn the direction of writing, and bytes that are no text. Spaces of any width stay, and what
    joins letters in some scripts.
    """
    return text if text.isprintable() else "".join(map(_spelled_out, text))


def printable_lines(text: str) -> str:
    """Return text of one line or more in the same way; its newlines and tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def _spelled_out(char: str) -> str:
    if char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode()


def shown(value: Any) -> str:
    """Return a value as an error shows it, on one line; of a very long one only the beginning."""
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}... ({len(text):,} characters)"


def first_line(error: BaseException) -> str:
    """Return the first line of an error, fit to be shown: its type where it has no text, of a long one the start."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return hide_secrets(printable(line[:_LONGEST_READ]))[:_LONGEST_LINE]


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names of a list as a sentence has them: "a, b, c and 4 more"."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def plural(names: Sized, one: str = "class", many: str = "classes") -> str:
    """Return how many there are, in words."""
    return f"1 {one}" if len(names) == 1 else f"{len(names):,} {many}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the closest known word, or "" when none is close."""
    close = close_words(str(word), known, 1)
    return f", did you mean '{close[0]}'?" if close else ""


def close_words(word: str, known: Iterable[str], most: int) -> list[str]:
    """Return those of the known words that are like a word, the closest first; none for a text longer than names are.

    To compare a long one takes minutes.
    """
    if len(word) > _LONGEST_SHOWN:
        return []
    lowered = {str(name).lower(): str(name) for name in known}
    return [lowered[name] for name in difflib.get_close_matches(word.lower(), lowered, n=most, cutoff=0.5)]


def pick(table: Mapping[str, T], name: str, key: str) -> T:
    """Return `table[name]`; a missing name raises ValueError naming the config key, the choices and the nearest one."""
    if name not in table:
        choices = ", ".join(sorted(table))
        raise ValueError(f"{key}: unknown choice '{shown(name)}'{did_you_mean(name, table)} (choices: {choices})")
    return table[name]
