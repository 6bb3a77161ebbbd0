"""The comparison as a page: the same tables, and the curves of all runs on the same axes."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from pycls.core.page.charts import NUM_COLORS, ChartLine, LineChart, line_chart
from pycls.core.page.curves import is_log, points
from pycls.core.page.template import RUN_PAGE, save_page
from pycls.core.paths import check_outputs
from pycls.core.registry import shown
from pycls.run_comparison.comparison import RunComparison
from pycls.run_comparison.table import GROUP_TITLES, RUN_TITLES, WORDS, group_rows, run_rows

_CHARTS = (
    ("Test top-1 error (%)", "test_epoch", "top1_err"),
    ("Test top-1 error of the moving average, EMA (%)", "test_ema_epoch", "top1_err"),
    ("Test loss", "test_epoch", "loss"),
    ("Training top-1 error (%)", "train_epoch", "top1_err"),
    ("Training loss", "train_epoch", "loss"),
    ("Learning rate", "train_epoch", "lr"),
)


def check_page_name(out: str, folders: Sequence[Path]) -> Path:
    """Return where the page is to lie; ValueError for a place or a name that it cannot have."""
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--out {shown(out)}: expected a file name that ends in .html")
    own = {(folder / RUN_PAGE).resolve() for folder in folders}
    if path.resolve() in own:
        raise ValueError(f"--out {shown(out)}: is the page of one of the runs; give another name")
    check_outputs([path])
    return path


def save_comparison(comparison: RunComparison, path: Path) -> None:
    """Write the page."""
    save_page(
        path,
        "comparison.html.j2",
        "pycls.run_comparison",
        title=f"{len(comparison.runs)} runs" if len(comparison.runs) > 1 else "1 run",
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        comparison=comparison,
        charts=comparison_charts(comparison),
        words=WORDS,
        run_titles=RUN_TITLES,
        run_rows=run_rows(comparison),
        group_titles=GROUP_TITLES,
        group_rows=group_rows(comparison),
    )


def comparison_charts(comparison: RunComparison) -> list[LineChart]:
    """Return a chart of each figure that a run has; runs that differ in the seed alone have one color."""
    charts = []
    for title, kind, key in _CHARTS:
        lines = []
        for number, (run, name) in enumerate(zip(comparison.runs, comparison.names, strict=True), start=1):
            group = comparison.group_of[number - 1]
            values = points(run.records, kind, key)
            if values:
                lines.append(ChartLine(f"#{number} {name}", values, group, dashed=group // NUM_COLORS % 2 == 1))
        if lines:
            charts.append(line_chart(title, lines, log=key == "top1_err" and is_log(lines)))
    return charts
