"""Numbers, links and tables of MODEL_ZOO.md."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate


def number(value: Any, digits: int | None) -> str:
    """Write a number with so many digits behind the point, as it is with None; "" for None."""
    if value is None:
        return ""
    return f"{value:,.{digits}f}" if digits is not None else f"{value}"


def link(text: str, target: str | None) -> str:
    """Write a Markdown link, "" without a target."""
    return f"[{text}]({target})" if target else ""


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Return a table; the columns whose heads are in `right` are aligned to the right, the others are not padded."""
    aligns = ["right" if head in right else "global" for head in heads]
    return tabulate(rows, heads, "pipe", stralign=None, colalign=aligns, disable_numparse=True)
