"""The json_stats lines of stdout.log, read by our functions and by an independent reader with pycls's rules."""

import json

import pytest

from pycls.core.logging import json_line, load_log_data, setup_logging, sort_log_data

LINES = """Network: 12 multiply-adds
[recorder.py: 180]: json_stats: {"_type": "cfg", "OUT_DIR": "a", "TRAIN": {"SPLIT": "train"}}
[recorder.py: 180]: json_stats: {"_type": "train_iter", "epoch": "10/12", "iter": "5/20", "loss": 0.3}
[recorder.py: 180]: json_stats: {"_type": "train_iter", "epoch": "2/12", "iter": "20/20", "loss": 0.7}
Epoch 2/12: train loss 0.7
[meters.py:  61]: json_stats: {"_type": "train_iter", "epoch": "2/12", "iter": "5/20", "loss": 0.9}
json_stats: {"_type": "cfg", "OUT_DIR": "b", "TRAIN": {"SPLIT": "val"}}
json_stats: {"no type": 1}
[recorder.py: 180]: json_stats: {"_type": "train_it
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "stdout.log"
    path.write_text(LINES)
    return path


def test_records_are_grouped_by_type_and_figure(log):
    data = load_log_data(log)
    assert list(data) == ["cfg", "train_iter"]
    assert data["train_iter"] == {
        "epoch": ["10/12", "2/12", "2/12"],
        "iter": ["5/20", "20/20", "5/20"],
        "loss": [0.3, 0.7, 0.9],
    }
    assert data["cfg"]["OUT_DIR"] == ["a", "b"] and data["cfg"]["TRAIN"][1] == {"SPLIT": "val"}
    assert list(load_log_data(str(log), data_types_to_skip=["train_iter"])) == ["cfg"]


def test_records_are_sorted_by_epoch_and_step_as_numbers(log):
    data = load_log_data(log)
    sorted_data = sort_log_data(data)
    assert sorted_data is data
    assert data["train_iter"] == {
        "epoch": ["2/12", "2/12", "10/12"],
        "iter": ["5/20", "20/20", "5/20"],
        "loss": [0.9, 0.7, 0.3],
        "epoch_ind": [2, 2, 10],
        "epoch_max": [12, 12, 12],
        "iter_ind": [5, 20, 5],
        "iter_max": [20, 20, 20],
    }
    assert data["cfg"] == {"OUT_DIR": "a", "TRAIN": {"SPLIT": "train"}}, "of records without an epoch the first"


def test_figures_of_a_record_stay_together_where_an_epoch_comes_twice():
    rows = {"epoch": ["2/3", "1/3", "2/3"], "loss": [0.5, 0.9, 0.4], "top1_err": [10.0, 40.0, None]}
    data = sort_log_data({"test_epoch": rows})["test_epoch"]
    assert list(zip(data["epoch_ind"], data["loss"], data["top1_err"], strict=True)) == [
        (1, 0.9, 40.0),
        (2, 0.5, 10.0),
        (2, 0.4, None),
    ]


def test_a_figure_that_is_missing_is_none(tmp_path):
    records = [{"_type": "a", "x": 1}, {"_type": "a", "x": 2, "y": 3}]
    (tmp_path / "old.log").write_text("".join(f"{json_line(record)}\n" for record in records))
    assert load_log_data(tmp_path / "old.log") == {"a": {"x": [1, 2], "y": [None, 3]}}


def test_a_log_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.log: no such log file; expected the stdout\.log of a run"):
        load_log_data(tmp_path / "none.log")


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ('a line\n[recorder.py: 180]: json_stats: {"_type": "train_it', "a line\n"),
        ('[recorder.py: 180]: json_stats: {"_typ', ""),
        ("a line\nwhat somebody else wrote", "a line\nwhat somebody else wrote\n"),  # ours comes on a line of its own
        ("a line\n", "a line\n"),
    ],
)
def test_a_record_that_a_crash_cut_off_does_not_spoil_the_next_line(tmp_path, left, kept):
    (tmp_path / "stdout.log").write_text(left)
    setup_logging(str(tmp_path), "file")
    setup_logging(None)
    assert (tmp_path / "stdout.log").read_text() == kept


def test_a_line_is_what_pycls_parses():
    line = json_line({"_type": "train_epoch", "lr": 0.000041, "loss": float("nan"), "mem": 12, "epoch": "1/3"})
    tag, text = line[:12], line[12:]
    assert (
        tag == "json_stats: "
        and text == '{"_type": "train_epoch", "epoch": "1/3", "loss": null, "lr": 0.0000, "mem": 12}'
    )
    assert json.loads(text)["mem"] == 12
