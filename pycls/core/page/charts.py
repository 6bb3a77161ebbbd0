"""Line charts as SVG text to put into a page. Colors and fonts are the page's, so they follow light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pycls.core.registry import printable

NUM_COLORS = 8  # of the page, .c0 to .c7

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _FOOT = 46, _WIDTH - 12, 10, _HEIGHT - 34  # of the area with the lines
_MOST_DOTS = 60  # points of a line that are also drawn as dots, each with its value


@dataclass(frozen=True)
class ChartLine:
    """A line of a chart: finite values (x, y) by rising x, in one of the colors of the page."""

    name: str
    points: Sequence[tuple[float, float]]
    color: int
    dashed: bool = False

    @property
    def css(self) -> str:
        """The classes by which the page draws it."""
        return f"c{self.color % NUM_COLORS}{' dashed' if self.dashed else ''}"

    @property
    def last(self) -> str:
        """The last value, for the legend."""
        return f"{self.points[-1][1]:.4g}" if self.points else ""


@dataclass(frozen=True)
class LineChart:
    """A chart, with words for those who cannot see it."""

    title: str
    lines: Sequence[ChartLine]
    svg: str

    @property
    def text(self) -> str:
        """What is drawn, and where each line ends."""
        ends = "; ".join(f"{line.name} ends at {line.last}" for line in self.lines if line.points)
        return f"{self.title} over epochs: {ends}"


def line_chart(title: str, lines: Sequence[ChartLine], log: bool = False) -> LineChart:
    """Draw lines over epochs; with `log` on a logarithmic axis, at whose foot values of 0 lie."""
    drawn = [line for line in lines if line.points]
    xs = [x for line in drawn for x, _ in line.points]
    ys = [y for line in drawn for _, y in line.points]
    across = _x_axis(min(xs), max(xs))
    up = _log_axis(ys) if log and any(y > 0 for y in ys) else _axis(min(ys), max(ys))
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">', *_grid(across, up)]
    for line in drawn:
        places = [(across.place(x, _LEFT, _RIGHT), up.place(y, _FOOT, _TOP)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line {line.css}" points="{path}"/>')
        if len(places) <= _MOST_DOTS:
            parts += [_dot(line, point, place) for point, place in zip(line.points, places, strict=True)]
    return LineChart(title, lines, "\n".join([*parts, "</svg>"]))


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Return where a value lies between the ends of the axis, in units of the picture."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        return start + (end - start) * (value - low) / (high - low)


def _axis(low: float, high: float) -> _Axis:
    """Return an axis with a handful of round ticks; it begins at 0 unless that would flatten the lines."""
    if 0 < low < 0.5 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(high), 1e-9):
        low, high = low - 0.5 * abs(low or 1), high + 0.5 * abs(high or 1)
    step = _round_step((high - low) / 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return _Axis(first * step, last * step, [number * step for number in range(first, last + 1)])


def _x_axis(low: float, high: float) -> _Axis:
    """Return the axis of epochs, with whole ticks."""
    if low == high:
        return _Axis(low - 1, high + 1, [low])
    step = max(1, round(_round_step((high - low) / 6)))
    first = math.ceil(low / step) * step
    return _Axis(low, high, [low, *(t for t in range(first, math.floor(high) + 1, step) if t - low >= step / 2)])


def _log_axis(ys: Sequence[float]) -> _Axis:
    positive = [y for y in ys if y > 0]
    low, high = min(positive) / 1.2, max(positive) * 1.2
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = math.log10(high / low) < 3
    ticks = [digit * 10.0**power for power in powers for digit in ((1, 2, 5) if few else (1,))]
    ticks = [tick for tick in ticks if low <= tick <= high] or [min(positive)]
    if any(y <= 0 for y in ys):
        low, ticks = low / 2, [0.0, *ticks]  # zeros have a place of their own below the others
    return _Axis(low, high, ticks, log=True)


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for tick in up.ticks:
        y = up.place(tick, _FOOT, _TOP)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4:.1f}">{tick:.4g}</text>')
    for tick in across.ticks:
        x = across.place(tick, _LEFT, _RIGHT)
        parts.append(f'<text class="tick middle" x="{x:.1f}" y="{_FOOT + 16}">{tick:g}</text>')
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_FOOT}" y2="{_FOOT}"/>')
    return [*parts, f'<text class="tick middle" x="{(_LEFT + _RIGHT) / 2}" y="{_HEIGHT - 4}">epoch</text>']


def _dot(line: ChartLine, point: tuple[float, float], place: tuple[float, float]) -> str:
    words = escape(f"{printable(line.name)}, epoch {point[0]:g}: {point[1]:.6g}", quote=True)
    where = f'cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="2.6"'
    return f'<circle class="dot {line.css}" {where}><title>{words}</title></circle>'
