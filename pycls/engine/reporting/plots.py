"""Plots of a run: curves over epochs and the confusion matrix. Matplotlib is imported when one is drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from pycls.core.page.curves import KINDS, LOG_BELOW_PCT, points
from pycls.core.registry import printable

_LONGEST_NAME = 40  # characters
_TICKS_PCT = (0, *(step * 10.0**power for power in (-3, -2, -1, 0, 1) for step in (1, 2, 5)), 100)


def plot_curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss, top-1 error (percent) and learning rate over epochs from the records of metrics.jsonl.

    Errors that fall below 5 % are drawn on a logarithmic scale.
    """
    figure, axes = _subplots(3, (13, 4))
    for axis, key, title in zip(
        axes, ("loss", "top1_err", "lr"), ("loss", "top-1 error (%)", "learning rate"), strict=True
    ):
        for label, kind in KINDS.items():
            if found := points(records, kind, key):
                axis.plot(*zip(*found, strict=True), label=label, marker="." if len(found) < 30 else None)
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1][1:]:
            axis.legend()
    scale_errors(axes[1])
    _save(figure, path)


def scale_errors(axis: Any) -> None:
    """Give an axis with curves of errors in percent the scale on which they can be read."""
    errors = [value for line in axis.get_lines() for value in line.get_ydata()]
    least = min(errors, default=100.0)
    if least >= LOG_BELOW_PCT:
        return
    above_zero = [value for value in errors if value > 0] or [1.0]
    floor, low, high = min(above_zero), 0.8 * min(above_zero), 1.25 * max(above_zero)
    if least > 0:
        axis.set_yscale("log")
    else:  # no error at all has a place, too: a straight piece of the scale below the least error there was
        axis.set_yscale("symlog", linthresh=floor, linscale=0.3)
        low = -0.1 * floor
    ticks = [tick for tick in _TICKS_PCT if tick == least == 0 or 0.8 * floor <= tick <= high]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_yticks([], minor=True)
    axis.set_ylim(low, high)


def plot_lr(policy: Callable[[float], float], max_epoch: int, per_iter: bool, path: Path, log_scale: bool) -> None:
    """Draw a learning-rate policy over the epochs of a run: a curve, or stairs where each epoch has one rate."""
    figure, (axis,) = _subplots(1, (7, 4))
    if per_iter:
        epochs = [max_epoch * i / 2000 for i in range(2000)]
        axis.plot(epochs, [policy(epoch) for epoch in epochs])
    else:
        axis.stairs([policy(epoch) for epoch in range(max_epoch)], baseline=None)
    axis.set(title="learning rate", xlabel="epoch", xlim=(0, max_epoch), yscale="log" if log_scale else "linear")
    axis.grid(alpha=0.3)
    _save(figure, path)


def plot_confusion(confusion: Tensor, classes: Sequence[str], path: Path) -> None:
    """Draw the share of each true class (row) that was predicted as each class (column), in percent."""
    share = 100.0 * confusion.double() / confusion.sum(1, keepdim=True).clamp(min=1)
    side = min(14.0, max(5.0, 0.45 * len(classes)))
    figure, (axis,) = _subplots(1, (side + 1, side))
    picture = axis.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=100)
    figure.colorbar(picture, ax=axis, label="% of the true class", fraction=0.046)
    axis.set(xlabel="predicted class", ylabel="true class", title=f"confusion matrix, {int(confusion.sum())} images")
    if len(classes) <= 40:
        names = [_short(printable(name)) for name in classes]  # of folders: any bytes, and no formulas
        axis.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axis.set_yticks(range(len(names)), names, parse_math=False)
    if len(classes) <= 15:
        for row in range(len(classes)):
            for column in range(len(classes)):
                dark = share[row, column] > 50
                text = str(int(confusion[row, column]))
                axis.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
    _save(figure, path)


def plot_uncertainty(counts: Tensor, edges: Sequence[float], path: Path) -> None:
    """Draw counts (2, bins) of wrong and right predictions by uncertainty, and the error of each bin.

    `edges`: bins + 1 of them, the first 0, the others on a logarithmic scale.
    """
    wrong, right = counts.double().numpy()
    figure, (left, error) = _subplots(2, (11, 4))
    starts = [edges[1] ** 2 / edges[2], *edges[1:-1]]  # 0 has no place on this scale: its bin looks like the next
    widths = [end - start for start, end in zip(starts, edges[1:], strict=True)]
    left.bar(starts, right, widths, align="edge", edgecolor="white", linewidth=0.5, label="right")
    left.bar(starts, wrong, widths, align="edge", edgecolor="white", linewidth=0.5, bottom=right, label="wrong")
    left.set(title=f"{int(counts.sum())} predictions", ylabel="images")
    left.legend()
    seen = [number for number in range(len(wrong)) if wrong[number] + right[number] > 0]
    percent = [100 * wrong[number] / (wrong[number] + right[number]) for number in seen]
    error.plot([(starts[number] * edges[number + 1]) ** 0.5 for number in seen], percent, marker="o")
    error.set(title="top-1 error (%)", ylim=(0, None))
    for axis in (left, error):
        axis.set(xlabel="uncertainty", xscale="log", xlim=(starts[0], edges[-1]))
    _save(figure, path)


def _short(name: str) -> str:
    """Return a name of which a picture has room for: long ones would leave none for anything else."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def _subplots(count: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
