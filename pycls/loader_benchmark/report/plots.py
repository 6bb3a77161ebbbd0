"""The plots of the page, as SVG text to put into it. Matplotlib is imported when a picture is drawn."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from pycls.loader_benchmark.statistics import ModelRow, Row, figure

# One color for each variant on all plots, told apart by color-blind readers, too (Okabe and Ito 2008).
COLORS = ("#0072b2", "#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_LEAST_BARS = 4  # places on the axis, so that a single bar is no wall
_SIZE = (4.6, 3.2)  # inches: readable on a phone, two beside each other on a desk


def colors(rows: Sequence[Row]) -> dict[str, str]:
    """Return variant -> color."""
    titles = list(dict.fromkeys(row.cell.variant.title for row in rows))
    return {title: COLORS[number % len(COLORS)] for number, title in enumerate(titles)}


def speed_plot(rows: Sequence[Row], palette: dict[str, str]) -> str:
    """Draw images/s over workers, one line a variant, bars from p5 to p95."""

    def draw(axis: Any) -> None:
        for title, group in _by_variant(rows).items():
            points = sorted((row.cell.workers, row.speed) for row in group if row.speed)
            workers, speeds = [count for count, _ in points], [speed for _, speed in points]
            spread = [[one.median - one.low for one in speeds], [one.high - one.median for one in speeds]]
            axis.errorbar(
                workers,
                [one.median for one in speeds],
                spread,
                label=title,
                color=palette[title],
                marker="o",
                ms=4,
                capsize=3,
            )
        axis.set(xlabel="workers", ylabel="images/s")
        axis.set_xticks(sorted({row.cell.workers for row in rows}))
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=8)

    return _svg(draw)


def bar_plot(rows: Sequence[Row], palette: dict[str, str], value: Callable[[Row], float | None], unit: str) -> str:
    """Draw one bar a cell, named by variant and workers."""

    def draw(axis: Any) -> None:
        shown = [row for row in rows if value(row) is not None]
        names = [f"{row.cell.variant.title}, {row.cell.workers}" for row in shown]
        values = [number for row in rows if (number := value(row)) is not None]
        bars = axis.barh(range(len(shown)), values, color=[palette[row.cell.variant.title] for row in shown])
        axis.bar_label(bars, [figure(number) for number in values], padding=3, fontsize=8)
        axis.set_yticks(range(len(shown)), names, fontsize=8)
        axis.set_ylim(max(_LEAST_BARS, len(shown)) - 0.5, -0.5)
        axis.margins(x=0.15)
        axis.set_xlabel(unit)

    return _svg(draw, rows=len(rows))


def model_plot(models: Sequence[ModelRow], palette: dict[str, str]) -> str:
    """Draw images/s with the network for each loader, and the network alone as a line."""

    def draw(axis: Any) -> None:
        shown = [row for row in models if row.speed]
        for place, row in enumerate(shown):
            assert row.speed is not None
            axis.barh(place, row.speed.median, color=palette[row.cell.variant.title])
            axis.text(row.speed.median, place, " " + figure(row.speed.median), va="center", fontsize=8)
            axis.plot([row.compute] * 2, [place - 0.4, place + 0.4], color="#222222", lw=2)
        names = [f"{row.cell.variant.title}, {row.cell.workers}" for row in shown]
        axis.set_yticks(range(len(shown)), names, fontsize=8)
        axis.set_ylim(max(_LEAST_BARS, len(shown)) - 0.5, -0.5)
        axis.margins(x=0.15)
        axis.set_xlabel("images/s; black line: the network alone")

    return _svg(draw, rows=len(models))


def _by_variant(rows: Sequence[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.cell.variant.title, []).append(row)
    return groups


def _svg(draw: Callable[[Any], None], rows: int = 0) -> str:
    """Return a figure as an <svg> element without fixed size; `rows` of bars make it as high as they need."""
    import matplotlib
    from matplotlib.figure import Figure

    picture = Figure(figsize=(_SIZE[0], max(_SIZE[1], 0.8 + 0.24 * rows) if rows else _SIZE[1]), layout="constrained")
    axis = picture.subplots()
    draw(axis)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    # Glyphs as outlines need no font of the reader's; names hashed from the content keep several pictures apart.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": None}):
        picture.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r' height="[\d.]+pt"', "", text, count=1)  # the page decides how large it is
    return re.sub(r' width="[\d.]+pt"', "", text, count=1)
