"""The plots of the page with their captions and descriptions."""

from collections.abc import Callable, Sequence
from html import escape

from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.report.plots import bar_plot, colours, model_plot, speed_plot
from pycls.loader_benchmark.statistics import ModelRow, Row, figure


def plots_html(rows: Sequence[Row], models: Sequence[ModelRow]) -> str:
    """Return all plots of a source, every one with a text for those who cannot see it."""
    palette, figures = colours(rows), []
    for key in dict.fromkeys(row.cell.phase_key for row in rows):
        group = _of_first_batch_size([row for row in rows if row.cell.phase_key == key])
        name = f"{VIEWS[key[0]]} view, {key[1]} cache, {key[2]}, batch {group[0].cell.batch_size}"
        best = max(group, key=lambda row: row.images_per_sec)
        alt = f"Images a second over workers, {name}. Fastest: {best.cell.loader}, {figure(best.images_per_sec)}."
        figures.append(_plot(f"Images/s: {name}", alt, _speeds(group, palette)))
    first = _of_first_batch_size([row for row in rows if row.cell.phase_key == rows[0].cell.phase_key])
    figures += [_bars(first, palette, title, value, unit) for title, value, unit in _BARS]
    if any(row.end_to_end for row in models):
        figures.append(_plot("With the network", "Images a second of training.", model_plot(models, palette)))
    return f'<div class="plots">{"".join(figures)}</div>'


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


def _bars(rows: Sequence[Row], palette: dict[str, str], title: str, value: Callable, unit: str) -> str:
    known = [row for row in rows if value(row) is not None]
    least = min(known, key=value, default=None)
    alt = f"{title} of each backend and number of workers."
    alt += f" Lowest: {least.cell.loader}, {figure(value(least))} {unit}." if least else " Not measured."
    caption = f"{title} ({VIEWS[rows[0].cell.view]} view, backend, workers)"
    return _plot(caption, alt, bar_plot(rows, palette, value, unit))


def _of_first_batch_size(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.cell.batch_size == rows[0].cell.batch_size]


def _plot(title: str, alt: str, svg: str) -> str:
    caption = f"<figcaption>{escape(title)}</figcaption>"
    return f'<figure>{caption}<div role="img" aria-label="{escape(alt, quote=True)}">{svg}</div></figure>'
