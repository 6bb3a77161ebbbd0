"""The comparison as text for a terminal."""

from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from pycls.core.page.curves import duration
from pycls.core.registry import printable
from pycls.run_comparison.comparison import RunComparison, state

_LONGEST = 40  # characters of a value in the table of differences
_ERRORS = ("last error", "EMA", "lowest")
RUN_TITLES = ("#", "run", "epochs", *_ERRORS, "at", "test loss", "train loss", "images/s", "time", "seed")
GROUP_TITLES = ("runs", "what they have in common", "n", *_ERRORS)
WORDS = ("run", "runs", "what they have in common", "key")  # titles of columns that are no numbers


def comparison_text(comparison: RunComparison) -> str:
    """Return all tables and notes."""
    blocks = [_table(RUN_TITLES, run_rows(comparison)) + "\n(errors: top-1 in percent; lowest: of model and EMA)"]
    if comparison.differences:
        titles = ("key", *(f"#{number}" for number in range(1, len(comparison.runs) + 1)))
        rows = [(key, *map(_short, values)) for key, values in comparison.differences.items()]
        blocks.append("What the configs differ in:\n" + _table(titles, rows))
    elif len(comparison.runs) > 1:
        blocks.append("The configs do not differ.")
    if comparison.groups:
        head = "Over seeds: mean ± sample standard deviation of errors (%) over the n finished runs\n"
        blocks.append(head + _table(GROUP_TITLES, group_rows(comparison)))
    return "\n\n".join([*blocks, *(["\n".join(map(printable, comparison.notes))] if comparison.notes else [])])


def run_rows(comparison: RunComparison) -> list[tuple[str, ...]]:
    """Return a row of RUN_TITLES for each run."""
    return [_run_row(comparison, number) for number in range(len(comparison.runs))]


def _run_row(comparison: RunComparison, number: int) -> tuple[str, ...]:
    run, one = comparison.runs[number], comparison.figures[number]
    return (
        str(number + 1),
        printable(comparison.names[number]),
        state(run),
        *(_number(value, 2) for value in (one.last_err, one.ema_err, one.lowest_err)),
        "-" if one.lowest_epoch is None else str(one.lowest_epoch),
        _number(one.test_loss, 4),
        _number(one.train_loss, 4),
        _number(one.images_per_sec, 0),
        "-" if one.seconds is None else duration(one.seconds),
        "-" if run.seed is None else str(run.seed),
    )


def group_rows(comparison: RunComparison) -> list[tuple[str, ...]]:
    """Return a row of GROUP_TITLES for each group of runs that differ in the seed alone."""
    return [
        (
            ", ".join(f"#{number + 1}" for number in group.members),
            printable(group.title),
            str(group.finished),
            *("-" if value is None else str(value) for value in (group.last, group.ema, group.lowest)),
        )
        for group in comparison.groups
    ]


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    sides = ["left" if title in WORDS else "right" for title in titles]
    return tabulate(rows, titles, "plain", disable_numparse=True, colalign=sides)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _short(value: Any) -> str:
    text = printable(str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
