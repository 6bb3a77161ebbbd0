"""The figures of one run, and their mean and spread over runs that differ in nothing but the seed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pycls.core.page.curves import EVALUATIONS, is_number, lowest_error, points
from pycls.run_comparison.load_run import ComparedRun


@dataclass(frozen=True)
class Figures:
    """Errors in percent; None where there is none."""

    last_err: float | None  # of the model, in the newest evaluation
    ema_err: float | None  # of its moving average
    lowest_err: float | None  # of both, over all epochs
    lowest_epoch: int | None
    test_loss: float | None
    train_loss: float | None
    images_per_sec: float | None  # of training, median over epochs
    seconds: float | None  # of all epochs and evaluations


def run_figures(run: ComparedRun) -> Figures:
    """Return what the records of a run say."""
    model, ema = (points(run.records, kind, "top1_err") for kind in EVALUATIONS.values())
    lowest = lowest_error(run.records)
    speeds = [speed for _, speed in points(run.records, "train_epoch", "images_per_sec")]
    times = [r["time_epoch"] for r in run.records if is_number(r.get("time_epoch"))]
    return Figures(
        _last(model),
        _last(ema),
        None if lowest is None else lowest.error,
        None if lowest is None else lowest.epoch,
        _last(points(run.records, "test_epoch", "loss")),
        _last(points(run.records, "train_epoch", "loss")),
        statistics.median(speeds) if speeds else None,
        math.fsum(times) if times else None,
    )


def _last(values: Sequence[tuple[float, float]]) -> float | None:
    return values[-1][1] if values else None


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1 in the denominator) of the n values that there are."""

    mean: float
    std: float | None  # None of a single value
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.2f}" if self.std is None else f"{self.mean:.2f} ± {self.std:.2f}"


def spread(values: Sequence[float | None]) -> Spread | None:
    """Return the spread of the values that are known, None for none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))
