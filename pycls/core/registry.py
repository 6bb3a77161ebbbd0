"""Look-up in the literal tables (MODELS, LOSSES, ...) with an error that helps."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean 'x'?" for the closest known word, or "" when none is close."""
    lowered = {str(name).lower(): str(name) for name in known}
    close = difflib.get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.5)
    return f", did you mean '{lowered[close[0]]}'?" if close else ""


def pick(table: Mapping[str, T], name: str, key: str) -> T:
    """Return `table[name]`; a missing name raises ValueError naming the config key, the choices and the nearest one."""
    if name not in table:
        choices = ", ".join(sorted(table))
        raise ValueError(f"{key}: unknown choice '{name}'{did_you_mean(name, table)} (choices: {choices})")
    return table[name]
