"""curves.png: errors can be read where they are low."""

from pathlib import Path

import pytest

from pycls.engine.reporting import plots


def drawn(errors, monkeypatch, tmp_path):
    """Return the axis of errors that is drawn of test errors."""
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    epochs = len(errors)
    records = [
        {
            "_type": kind,
            "epoch": f"{number}/{epochs}",
            "loss": 1.0,
            "lr": 0.1,
            "top1_err": error + (kind == "train_epoch"),
        }
        for number, error in enumerate(errors, 1)
        for kind in ("train_epoch", "test_epoch")
    ]
    plots.plot_curves(records, Path(tmp_path / "curves.png"))
    axis = figures[0].axes[1]
    figures[0].canvas.draw()
    return axis, [label.get_text() for label in axis.get_yticklabels()]


@pytest.mark.parametrize(
    ("errors", "scale", "ticks"),
    [
        ([80.0, 30.0, 5.0], "linear", None),
        ([80.0, 30.0, 4.9], "log", ["5", "10", "20", "50", "100"]),
        ([80.0, 3.0, 0.28], "log", ["0.5", "1", "2", "5", "10", "20", "50", "100"]),
        ([80.0, 1.0, 0.0], "symlog", ["0", "1", "2", "5", "10", "20", "50", "100"]),
        ([0.0, 0.0], "symlog", ["0", "1"]),
        ([0.004, 0.002], "log", ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
    ],
)
def test_low_errors_have_a_log_scale_with_plain_numbers(errors, scale, ticks, monkeypatch, tmp_path):
    axis, labels = drawn(errors, monkeypatch, tmp_path)
    assert axis.get_yscale() == scale and (ticks is None or labels == ticks)
    low, high = axis.get_ylim()
    assert low < min(errors) and high > max(errors), "all points are inside"


def test_no_evaluation_is_no_problem(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    plots.plot_curves([], tmp_path / "curves.png")
    assert figures[0].axes[1].get_yscale() == "linear"
