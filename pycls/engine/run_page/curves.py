"""From the records of metrics.jsonl to values over epochs."""

import math
from collections.abc import Sequence
from typing import Any

from pycls.engine.run_page.charts import ChartLine, LineChart, line_chart

LOG_BELOW_PCT = 5.0  # errors that fall below this are drawn on a logarithmic axis
KINDS = {"train": "train_epoch", "test": "test_epoch", "test, EMA": "test_ema_epoch"}

Record = dict[str, Any]


def epoch_of(record: Record) -> int:
    """Return the number of a record's epoch, from 1."""
    return int(str(record["epoch"]).partition("/")[0])


def points(records: Sequence[Record], kind: str, key: str) -> list[tuple[float, float]]:
    """Return (epoch, value) of the records of a kind that hold a finite value."""
    found = [record for record in records if record.get("_type") == kind and is_number(record.get(key))]
    return sorted((float(epoch_of(record)), float(record[key])) for record in found)


def is_number(value: Any) -> bool:
    """Tell whether a value of a record is a finite number; what was none is written as null."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_log(lines: Sequence[ChartLine]) -> bool:
    """Tell whether errors in percent are better seen on a logarithmic axis."""
    return any(value < LOG_BELOW_PCT for line in lines for _, value in line.points)


def run_charts(records: Sequence[Record]) -> list[LineChart]:
    """Return the charts of a training: error, loss, learning rate and images/s; none without a trained epoch."""
    charts: list[LineChart] = []
    if not any(record.get("_type") == "train_epoch" for record in records):
        return charts
    for title, key in (("Top-1 error (%)", "top1_err"), ("Loss", "loss")):
        lines = [ChartLine(name, points(records, kind, key), color) for color, (name, kind) in enumerate(KINDS.items())]
        lines = [line for line in lines if line.points]
        if lines:
            charts.append(line_chart(title, lines, log=key == "top1_err" and is_log(lines)))
    for title, key in (("Learning rate", "lr"), ("Training speed (images/s)", "images_per_sec")):
        if values := points(records, "train_epoch", key):
            charts.append(line_chart(title, [ChartLine("train", values, 0)]))
    return charts
