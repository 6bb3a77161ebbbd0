"""One HTML page that carries everything: recommendation, plots, tables, pixels, environment; no network, no script.

page.html.j2 is the page, core/page/base.html.j2 its styles. It escapes what it is given, folder and file names too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.page.template import save_page
from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.report.pixel_differences import FACTOR, SIDE_PX, pixel_samples
from pycls.loader_benchmark.report.plots import bar_plot, colors, model_plot, speed_plot
from pycls.loader_benchmark.report.tables import COLUMNS, cell_text
from pycls.loader_benchmark.results import Section
from pycls.loader_benchmark.statistics import ModelRow, Row, figure


@dataclass(frozen=True)
class Plot:
    """A plot, with words for those who cannot see it."""

    title: str
    text: str
    svg: str


def save_loader_page(sections: Sequence[Section], cfg: CfgNode, machine: dict[str, str], path: Path) -> None:
    """Write the page."""
    save_page(
        path,
        "page.html.j2",
        "pycls.loader_benchmark.report",
        title="Which loader is fastest here?",
        sources=[_source(section) for section in sections],
        memory_kinds=sorted({row.memory_kind for section in sections for row in section.rows} - {""}),
        cfg=cfg,
        machine=machine,
        columns=COLUMNS,
        cell_text=cell_text,
        side_px=SIDE_PX,
        factor=FACTOR,
    )


def _source(section: Section) -> dict[str, Any]:
    """Return what the page shows of one source."""
    rows, measured = section.rows, [row for row in section.rows if row.images_per_sec]
    return {
        "section": section,
        "rows": rows,
        "model_rows": section.model_rows,
        "choice": section.recommendation,
        "warnings": section.warnings,
        "plots": plots(measured, section.model_rows) if measured else [],
        "pixels": {VIEWS[view]: pixel_samples(found, VIEWS[view]) for view, found in section.squares.items()},
    }


def plots(rows: Sequence[Row], models: Sequence[ModelRow]) -> list[Plot]:
    """Return all plots of a source."""
    palette, found = colors(rows), []
    for key in dict.fromkeys(row.cell.phase_key for row in rows):
        group = _of_first_batch_size([row for row in rows if row.cell.phase_key == key])
        name = f"{VIEWS[key[0]]} view, {key[1]} cache, {key[2]}, batch {group[0].cell.batch_size}"
        speeds = [(row.cell.loader, row.speed.median) for row in group if row.speed]
        best, speed = max(speeds, key=lambda entry: entry[1])
        text = f"Images a second over workers, {name}. Fastest: {best}, {figure(speed)}."
        found.append(Plot(f"Images/s: {name}", text, _speeds(group, palette)))
    first = _of_first_batch_size([row for row in rows if row.cell.phase_key == rows[0].cell.phase_key])
    found += [_bars(first, palette, title, value, unit) for title, value, unit in _BARS]
    if any(row.end_to_end for row in models):
        found.append(Plot("With the network", "Images a second of training.", model_plot(models, palette)))
    return found


def _speeds(rows: Sequence[Row], palette: dict[str, str]) -> str:
    """Draw lines over workers, or bars when all cells have the same number of them."""
    if len({row.cell.workers for row in rows}) > 1:
        return speed_plot(rows, palette)
    return bar_plot(rows, palette, lambda row: row.images_per_sec, "images/s")


_BARS: tuple[tuple[str, Callable[[Row], float | None], str], ...] = (
    ("Processor time", lambda row: row.cpu_ms_per_image, "CPU ms/image"),
    ("Time to the first batch", lambda row: row.first_batch_sec, "s"),
    ("Gap between epochs", lambda row: row.epoch_gap_sec, "s"),
    ("Peak memory", lambda row: row.peak_mb, "MB"),
)


def _bars(rows: Sequence[Row], palette: dict[str, str], title: str, value: Callable, unit: str) -> Plot:
    known = [row for row in rows if value(row) is not None]
    least = min(known, key=value, default=None)
    text = f"{title} of each backend and number of workers."
    text += f" Lowest: {least.cell.loader}, {figure(value(least))} {unit}." if least else " Not measured."
    caption = f"{title} ({VIEWS[rows[0].cell.view]} view, backend, workers)"
    return Plot(caption, text, bar_plot(rows, palette, value, unit))


def _of_first_batch_size(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.cell.batch_size == rows[0].cell.batch_size]
