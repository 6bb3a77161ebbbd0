"""The figures of a run in words: how good, how long, how fast, what held it up."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from pycls.core.page.curves import EVALUATIONS, Record, duration, epoch_of, is_number, lowest_error, points
from pycls.engine.reporting.evaluation import Evaluation

_LITTLE_WAIT_PCT, _MUCH_WAIT_PCT = 2.0, 20.0


class RunFigure(NamedTuple):
    """A figure with what it is of."""

    title: str
    value: str
    note: str = ""


def evaluation_figures(evaluation: Evaluation) -> list[RunFigure]:
    """Return accuracy, errors and loss of the evaluation whose images the page shows."""
    wrong = evaluation.count - evaluation.top1_correct
    return [
        RunFigure("Accuracy", f"{100 - evaluation.top1_err:.2f} %", f"top-1, {evaluation.count:,} images"),
        RunFigure("Top-1 error", f"{evaluation.top1_err:.2f} %", f"{wrong:,} wrong"),
        RunFigure("Top-5 error", f"{evaluation.top5_err:.2f} %"),
        RunFigure("Loss", f"{evaluation.loss:.4f}"),
    ]


def training_figures(records: Sequence[Record], max_epoch: int) -> list[RunFigure]:
    """Return the lowest and last errors, epochs and time of a training; none where it has left no records."""
    epochs = last_epoch(records)
    if not epochs:
        return []
    found = [RunFigure("Epochs", f"{epochs}", "" if epochs == max_epoch else f"of {max_epoch}")]
    if best := lowest_error(records):
        note = f"epoch {best.epoch}, {best.name}; chosen on these images"
        found.append(RunFigure("Lowest error", f"{best.error:.2f} %", note))
    for name, kind in EVALUATIONS.items():
        if errors := points(records, kind, "top1_err"):
            found.append(RunFigure(f"Last error, {name}", f"{errors[-1][1]:.2f} %", f"epoch {errors[-1][0]:g}"))
    if losses := points(records, "train_epoch", "loss"):
        found.append(RunFigure("Training loss", f"{losses[-1][1]:.4f}", f"epoch {losses[-1][0]:g}"))
    return [*found, RunFigure("Time", duration(total_seconds(records)), "training and evaluation")]


def total_seconds(records: Sequence[Record]) -> float:
    """Return the seconds of all epochs and evaluations; those of repeated parts and of starts are not in it."""
    kinds = ("train_epoch", "test_epoch", "test_ema_epoch")
    return sum(r["time_epoch"] for r in records if r.get("_type") in kinds and is_number(r.get("time_epoch")))


def speed_rows(records: Sequence[Record]) -> list[RunFigure]:
    """Return the speed of a usual epoch and of evaluation, memory, and what limits training."""
    rows = []
    speeds, waits = _values(records, "train_epoch", "images_per_sec"), _values(records, "train_epoch", "data_wait_pct")
    if speeds:
        seconds = median(_values(records, "train_epoch", "time_epoch"))
        rows.append(
            RunFigure("training", f"{median(speeds):,.0f} images/s", f"an epoch in {duration(seconds)} (medians)")
        )
    if waits:
        rows.append(RunFigure("wait for data", f"{median(waits):.1f} % of training", bottleneck(median(waits))))
    if speeds := _values(records, "test_epoch", "images_per_sec"):
        rows.append(RunFigure("evaluation", f"{median(speeds):,.0f} images/s", "loading included"))
    if memory := _values(records, "train_epoch", "mem") or _values(records, "test_epoch", "mem"):
        rows.append(RunFigure("peak memory", f"{max(memory):,.0f} MiB", "of the GPU, else of the process"))
    return rows


def bottleneck(wait_pct: float) -> str:
    """Say what a share of time spent waiting for data means."""
    if wait_pct < _LITTLE_WAIT_PCT:
        return "the network is the bottleneck: another loader would change nothing"
    if wait_pct < _MUCH_WAIT_PCT:
        return "mostly the network; pycls time tells what the loader could give"
    return "the loader is the bottleneck: more workers, packed data or smaller images; pycls time and docs/LOADERS.md"


def last_epoch(records: Sequence[Record]) -> int:
    """Return the newest epoch that has been trained, 0 for none."""
    return max((epoch_of(r) for r in records if r.get("_type") == "train_epoch"), default=0)


def _values(records: Sequence[Record], kind: str, key: str) -> list[float]:
    return [value for _, value in points(records, kind, key)]
