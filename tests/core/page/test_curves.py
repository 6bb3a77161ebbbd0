"""Values over epochs and their charts: what pages say of the best epoch, and where a log axis shows no error."""

import re

import pytest

from pycls.core.page.charts import ChartLine, line_chart
from pycls.core.page.curves import lowest_error
from pycls.engine.run_page.figures import training_figures


def evaluation(epoch, error, loss, kind="test_epoch"):
    return {"_type": kind, "epoch": f"{epoch}/4", "top1_err": error, "loss": loss, "time_epoch": 1.0}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        # that of `best`: the lower loss among equal errors, the earlier epoch among equal ones
        ([evaluation(1, 0.0, 0.3), evaluation(2, 0.0, 0.1), evaluation(3, 0.0, 0.2)], (0.0, 2, "model")),
        ([evaluation(1, 5.0, 0.1), evaluation(2, 5.0, 0.1)], (5.0, 1, "model")),
        ([evaluation(1, 5.0, 0.1), evaluation(2, 4.0, 9.0)], (4.0, 2, "model")),
        ([evaluation(3, 5.0, 0.2), evaluation(3, 5.0, 0.1, "test_ema_epoch")], (5.0, 3, "EMA")),
        ([evaluation(3, 5.0, 0.1, "test_ema_epoch"), evaluation(3, 5.0, 0.1)], (5.0, 3, "model")),
        ([evaluation(1, 5.0, None), evaluation(2, 5.0, 7.0)], (5.0, 2, "model")),  # a loss that is no number is last
        ([evaluation(1, None, 0.1)], None),
        ([{"_type": "test_epoch", "epoch": "2/4", "top1_err": 5.0}], (5.0, 2, "model")),  # pycls's: without a loss
    ],
)
def test_the_lowest_error_is_that_of_the_best_checkpoint(records, expected):
    assert lowest_error(records) == expected


def test_the_page_names_the_epoch_of_the_best_checkpoint():
    records = [
        {"_type": "train_epoch", "epoch": f"{epoch}/4", "loss": 1.0, "time_epoch": 1.0} for epoch in (1, 2, 3, 4)
    ]
    records += [evaluation(1, 0.0, 0.3), evaluation(2, 0.0, 0.2), evaluation(3, 0.0, 0.1), evaluation(4, 0.0, 0.15)]
    figure = next(figure for figure in training_figures(records, 4) if figure.title == "Lowest error")
    assert (figure.value, figure.note.partition(",")[0]) == ("0.00 %", "epoch 3")


def test_a_logarithmic_axis_says_zero_where_zeros_lie():
    values = (29.4, 5.9, 0.0, 2.4, 0.0)
    chart = line_chart("Error", [ChartLine("test", list(enumerate(values, 1)), 0)], log=True)
    labels = re.findall(r'<text class="tick end" x="[\d.]+" y="([\d.]+)">([^<]+)</text>', chart.svg)
    heights = {float(label): float(y) - 4 for y, label in labels}
    dots = [float(y) for y in re.findall(r'<circle [^>]*cy="([\d.]+)"', chart.svg)]
    assert min(heights) == 0  # and nothing stands beside them that is another number
    for value, y in zip(values, dots, strict=True):
        below = [label for label, height in heights.items() if height >= y - 0.06]
        assert below
        assert max(below) <= value
        assert all(label > value for label, height in heights.items() if height < y - 0.06)
    assert sorted(heights, key=heights.get, reverse=True) == sorted(heights)


def test_a_logarithmic_axis_without_zeros_has_none():
    svg = line_chart("Error", [ChartLine("test", [(1, 30.0), (2, 2.4)], 0)], log=True).svg
    assert ">0</text>" not in svg
