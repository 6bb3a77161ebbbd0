"""From the records of metrics.jsonl to values over epochs."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pycls.core.page.charts import ChartLine

_BEYOND_MEASURE = 1e100  # only a damaged file holds such; sums of them are infinite
LOG_BELOW_PCT = 5.0  # where errors fall below this, a linear axis shows nothing but their fall

# The lines of a chart -> the type of their records.
KINDS = {"train": "train_epoch", "test": "test_epoch", "test, EMA": "test_ema_epoch"}
# What is evaluated -> the type of its records.
EVALUATIONS = {"model": "test_epoch", "EMA": "test_ema_epoch"}
Record = dict[str, Any]


class Lowest(NamedTuple):
    """The evaluation of the lowest top-1 error, in percent, and what it was of: "model" or "EMA"."""

    error: float
    epoch: int
    name: str


def epoch_of(record: Record) -> int:
    """Return the number of a record's epoch, from 1."""
    return int(str(record["epoch"]).partition("/")[0])


def points(records: Sequence[Record], kind: str, key: str) -> list[tuple[float, float]]:
    """Return (epoch, value) of the records of a kind that hold a finite value."""
    found = [record for record in records if record.get("_type") == kind and is_number(record.get(key))]
    return sorted((float(epoch_of(record)), float(record[key])) for record in found)


def lowest_error(records: Sequence[Record]) -> Lowest | None:
    """Return the evaluation that a run keeps as `best`: of equal errors that with the lower loss, then the earlier."""
    found = []
    for place, (name, kind) in enumerate(EVALUATIONS.items()):
        for record in records:
            if record.get("_type") == kind and is_number(record.get("top1_err")):
                loss = float(record["loss"]) if is_number(record.get("loss")) else math.inf
                error = float(record["top1_err"])
                found.append(((error, loss, epoch_of(record), place), Lowest(error, epoch_of(record), name)))
    return min(found)[1] if found else None


def is_number(value: Any) -> bool:
    """Tell whether a value of a record is a number, not infinite nor beyond all measure; none is written as null."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _BEYOND_MEASURE


def last_epoch(records: Sequence[Record]) -> int:
    """Return the newest epoch that has been trained, 0 for none."""
    return max((epoch_of(record) for record in records if record.get("_type") == "train_epoch"), default=0)


def total_seconds(records: Sequence[Record]) -> float:
    """Return the seconds of all epochs and evaluations; those of repeated parts and of starts are not in it."""
    kinds = ("train_epoch", *EVALUATIONS.values())
    return math.fsum(value for kind in kinds for _, value in points(records, kind, "time_epoch"))


def is_log(lines: Sequence[ChartLine]) -> bool:
    """Tell whether errors in percent are better seen on a logarithmic axis."""
    return any(value < LOG_BELOW_PCT for line in lines for _, value in line.points)


def duration(seconds: float) -> str:
    """Write seconds for people: "0.8 s", "43 s", "12 min 5 s", "3 h 20 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
