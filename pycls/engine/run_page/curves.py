"""The charts of one training."""

from collections.abc import Sequence

from pycls.core.page.charts import ChartLine, LineChart, line_chart
from pycls.core.page.curves import KINDS, Record, is_log, points


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
