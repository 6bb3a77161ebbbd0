"""From raw measurements to the figures of a table row: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from pycls.loader_benchmark.grid import Cell

Raw = dict[str, Any]  # what a cell's process answered
NOT_RUN = "not run"


class Speed(NamedTuple):
    """Images a second."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One cell's figures; None where nothing could be measured."""

    cell: Cell
    images_per_sec: float | None = None  # median over the timed epochs of all rounds
    p5: float | None = None  # of the same
    p95: float | None = None
    num_epochs: int = 0
    spread: float | None = None  # between its rounds (of one: its epochs), largest - least / median; None of one epoch
    cpu_ms_per_image: float | None = None  # user + system of the process tree
    first_batch_sec: float | None = None  # median over rounds
    epoch_gap_sec: float | None = None  # median
    batch_ms_p95: float | None = None  # time between two batches, over all of them
    peak_mb: float | None = None  # largest over rounds
    memory_kind: str = ""
    other_cores: float | None = None  # kept busy by other work meanwhile, median
    data_wait_pct: float | None = None  # when this cell's loader fed the network
    error: str = ""

    @property
    def speed(self) -> Speed | None:
        """Return how fast the cell was, from p5 to p95; None where nothing could be measured."""
        if not self.images_per_sec or self.p5 is None or self.p95 is None:
            return None
        return Speed(self.images_per_sec, self.p5, self.p95)


@dataclass(frozen=True)
class ModelRow:
    """The network fed by one cell's loader, images a second (medians over rounds)."""

    cell: Cell
    end_to_end: float | None = None
    low: float | None = None  # slowest and fastest round
    high: float | None = None
    compute: float | None = None  # the network alone
    loader: float | None = None  # the loader alone, floats on the device
    data_wait_pct: float | None = None
    error: str = ""

    @property
    def speed(self) -> Speed | None:
        """Return how fast the network was with this loader, from the slowest to the fastest round; None if unknown."""
        if not self.end_to_end or self.low is None or self.high is None:
            return None
        return Speed(self.end_to_end, self.low, self.high)

    @property
    def spread(self) -> float | None:
        """Return what the rounds differed by, as a part of the speed; None of one round."""
        return (self.speed.high - self.speed.low) / self.speed.median or None if self.speed else None

    @property
    def verdict(self) -> str:
        """Say what limits, and how far the other one is from it."""
        if self.error or not self.compute or not self.loader:
            return ""
        if self.loader < self.compute:
            return f"loader-limited (the network alone is {self.compute / self.loader:.2f}x as fast)"
        return f"model-limited (the loader alone is {self.loader / self.compute:.2f}x as fast)"


def summarize(cell: Cell, runs: Sequence[Raw]) -> Row:
    """Return the figures of a cell from its rounds; of those that failed only the error is kept, if all did."""
    good = [run for run in runs if "error" not in run]
    if not good:
        return Row(cell, error=runs[0]["error"] if runs else NOT_RUN)
    epochs = [epoch for run in good for epoch in run["epochs"]]
    rates = _rates(epochs)
    return Row(
        cell,
        images_per_sec=median(rates),
        p5=percentile(rates, 5),
        p95=percentile(rates, 95),
        num_epochs=len(epochs),
        spread=_spread([_rates(run["epochs"]) for run in good]),
        cpu_ms_per_image=cpu_ms_per_image(epochs),
        first_batch_sec=median(run["first_batch_sec"] for run in good),
        epoch_gap_sec=median(epoch["marks"][0] for epoch in epochs),
        batch_ms_p95=percentile([1000 * gap for epoch in epochs for gap in np.diff(epoch["marks"])], 95),
        peak_mb=max(run["peak_mb"] for run in good),
        memory_kind=good[0]["memory_kind"],
        other_cores=median(epoch["other_cores"] for epoch in epochs),
        error=next((f"a round failed: {run['error']}" for run in runs if "error" in run), ""),
    )


def _rates(epochs: Sequence[Raw]) -> list[float]:
    return [epoch["images"] / epoch["marks"][-1] for epoch in epochs]


def _spread(rounds: Sequence[Sequence[float]]) -> float | None:
    """Return what the rounds, or the epochs of the only one, differed by, as a part of their median; None of one."""
    rates = [median(rates) for rates in rounds] if len(rounds) > 1 else rounds[0]
    return (max(rates) - min(rates)) / median(rates) if len(rates) > 1 else None


def summarize_model(cell: Cell, runs: Sequence[Raw]) -> ModelRow:
    """Return the figures of a cell's loader with the network."""
    good = [run for run in runs if "error" not in run]
    if not good:
        return ModelRow(cell, error=runs[0]["error"] if runs else NOT_RUN)
    rates = [run["end_to_end"] for run in good]
    middle = {key: median(run[key] for run in good) for key in ("end_to_end", "compute", "loader", "data_wait_pct")}
    return ModelRow(cell, low=min(rates), high=max(rates), **middle)


def figure(number: float) -> str:
    """Return a number with as many digits as anybody reads."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def percentile(values: Sequence[float], pct: float) -> float | None:
    """Return the value below which `pct` percent lie, interpolated linearly; None of nothing."""
    return float(np.percentile(values, pct)) if len(values) else None


def cpu_ms_per_image(epochs: Sequence[Raw]) -> float:
    """Return all processor time over all images, in ms."""
    return 1000 * sum(epoch["cpu_sec"] for epoch in epochs) / sum(epoch["images"] for epoch in epochs)
