"""Times and figures in words."""

import pytest

from pycls.engine.reporting.lines import duration, epoch_line, evaluations_line

TEST = {
    "epoch": "3/9",
    "top1_err": 12.345,
    "top5_err": 1.0,
    "loss": 0.5,
    "count": 352,
    "left_out": 3,
    "images_per_sec": 1000.4,
}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0:00"),
        (59.6, "1:00"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (90061, "1 day 1:01:01"),
        (172800, "2 days 0:00:00"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_an_evaluation_names_what_was_left_out_the_average_and_a_new_best():
    model = (
        "Epoch 3/9: test top-1 error 12.35 %, top-5 error 1.00 %, loss 0.5000, 352 images (3 LEFT OUT, which could not "
    )
    model += "be read), 1000 images/s"
    assert evaluations_line(TEST, None, False) == model
    assert evaluations_line(TEST, TEST | {"top1_err": 11.0}, True) == f"{model}; EMA: 11.00 %, loss 0.5000; best so far"


def test_an_epoch_says_how_many_bad_images_were_replaced():
    figures = {"top1_err": 1.0, "lr": 0.1, "images_per_sec": 1.0, "data_wait_pct": 0.0, "mem": 7, "loss": 1.0}
    record = {"epoch": "1/2", **figures, "substituted": 0}
    assert epoch_line(record, 61).endswith("data wait 0.0 %, 1:01 left, 7 MiB")
    assert epoch_line(record | {"substituted": 2}, 61).endswith(
        "7 MiB, 2 bad images replaced by others of the same class"
    )
    assert epoch_line(record | {"substituted": 1}, 61).endswith(
        "7 MiB, 1 bad image replaced by another of the same class"
    )
