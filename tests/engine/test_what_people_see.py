"""What train_net, test_net and time_net say, in a pipe and on a terminal, and what pycls's reader finds in the log."""

import functools
import json
import os
import re
import shutil
from collections import defaultdict

import pytest

from pycls.commands import predict, time, train
from pycls.commands import test as evaluate
from pycls.core.config import load_cfg
from pycls.core.logging import load_log_data, progress, sort_log_data
from pycls.core.logging.progress import is_watched
from pycls.datasets import build_samples
from pycls.datasets.decoders import libjpeg_turbo
from pycls.datasets.digits import export_digits
from tests.helpers.runs import DIGITS, run_tool_here, tiny_words
from tests.helpers.terminals import on_terminal

NUMBER = r"\d+\.\d+"
FIGURES = (
    rf"loss {NUMBER}, top-1 error {NUMBER} %, lr [\d.e-]+, \d+ images/s, data wait {NUMBER} %, \d+:\d\d left, \d+ MiB"
)
TEST = rf"top-1 error {NUMBER} %, top-5 error {NUMBER} %, loss {NUMBER}, 355 images, \d+ images/s"
EMA = rf"; EMA: {NUMBER} %, loss {NUMBER}"


@pytest.fixture(scope="module", autouse=True)
def _known_files():
    """List the images before: the first time that is a line of its own."""
    for phase in ("train", "test"):
        build_samples(load_cfg(DIGITS), phase)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs in a pipe: what it printed, and its folder."""
    folder = tmp_path_factory.mktemp("run") / "my run"
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(folder, LOG__STEP_SEC=0))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, folder


def pycls_reader(path):
    """Read a log by pycls's rules: what follows the tag is JSON, and all records of a type have the same keys."""
    data = defaultdict(list)
    for line in path.read_text().splitlines():
        if "json_stats: " in line:
            record = json.loads(line[line.find("json_stats: ") + len("json_stats: ") :])
            data[record.pop("_type")].append(record)
    for kind, records in data.items():
        assert {tuple(sorted(record)) for record in records} == {tuple(sorted(records[0]))}, kind
    return {kind: {name: [record[name] for record in records] for name in records[0]} for kind, records in data.items()}


def test_a_pipe_gets_few_lines_each_worth_reading(run):
    lines = run[0].splitlines()
    assert lines[0].startswith(
        "Data: digits: 1,442 images to train on and 355 to validate on, in 10 classes: 0 143 + 35"
    )
    assert lines[1].startswith("View (train): decode(") and lines[2].startswith("View (test): decode(")
    costs = r"[\d,]+ multiply-adds, [\d,]+ parameters, [\d,]+ activations"
    assert re.fullmatch(f"Network: {costs}; trained: all, from random weights", lines[3])
    files = re.escape(f"files: {run[1]}/")
    assert re.fullmatch(f"Training: 2 epochs of 15 steps of 96 images, an evaluation after each; {files}", lines[4])
    for number, epoch in enumerate(("1/2", "2/2")):
        of_steps, of_epoch = lines[5 + 4 * number : 7 + 4 * number], lines[7 + 4 * number : 9 + 4 * number]
        for step, line in zip((5, 10), of_steps, strict=True):  # the epoch's line speaks of the last steps
            assert re.fullmatch(rf"Epoch {epoch}, step {step}/15: {FIGURES}", line), line
        assert re.fullmatch(rf"Epoch {epoch}: train {FIGURES}", of_epoch[0]), of_epoch
        assert re.fullmatch(rf"Epoch {epoch}: test {TEST}{EMA}(; best so far)?", of_epoch[1]), of_epoch
    _check_end(lines[13:])


def _check_end(lines):
    accuracy, mistakes, *shown, files, to_predict = lines
    assert (
        accuracy.startswith("Top-1 accuracy ") and files.startswith("Files: ") and to_predict.startswith("To predict: ")
    )
    assert mistakes == "Surest mistakes (true -> predicted):"
    assert len(shown) == 5 and all(re.fullmatch(r"  \S+/(\d)/\d+\.png: \1 -> \d \([\d.]+ %\)", line) for line in shown)


def test_by_default_lines_about_steps_wait_their_turn_and_a_hint_comes_once(tmp_path, monkeypatch):
    monkeypatch.setattr(libjpeg_turbo, "extension", lambda: "the C extension is not built")
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path, OPTIM__MAX_EPOCH=1, LOG_PERIOD=1))
    assert "step 1/15" not in done.stdout and len(done.stdout.splitlines()) == 17
    assert done.stdout.startswith("JPEG decoder: OpenCV: the C extension is not built; to make it faster, install ")
    assert done.stdout.count("JPEG decoder") == 1 and "View (train): decode(custom, jpeg by OpenCV" in done.stdout
    assert len(load_log_data(tmp_path / "stdout.log")["train_iter"]["iter"]) == 15


def test_the_log_has_the_same_lines_and_what_pycls_reads(run):
    text = (run[1] / "stdout.log").read_text()
    lines = [line for line in text.splitlines() if line in run[0].splitlines()]
    assert lines == run[0].splitlines()[:13] and "Config:\n" in text and "Network:\nAnyNet(" in text
    data = pycls_reader(run[1] / "stdout.log")
    assert load_log_data(run[1] / "stdout.log") == data
    assert set(data) == {
        "cfg",
        "environment",
        "complexity",
        "train_iter",
        "train_epoch",
        "test_epoch",
        "test_ema_epoch",
    }
    assert data["train_epoch"]["substituted"] == [0, 0] and data["test_epoch"]["left_out"] == [0, 0]
    metrics = [json.loads(line) for line in (run[1] / "metrics.jsonl").read_text().splitlines()]
    losses = [round(record["loss"], 4) for record in metrics if record["_type"] == "train_iter"]
    assert sort_log_data(data)["train_iter"]["loss"] == losses and len(losses) == 6


def test_a_finished_run_says_so_and_how_to_start_anew(run, tmp_path):
    shutil.copytree(run[1], tmp_path / "my run")
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "my run"))
    finished, test, *end = done.stdout.splitlines()
    assert f"'{tmp_path}/my run' holds this run, finished (2 epochs): nothing is left to train" in finished
    assert finished.endswith(f"To start anew: rm -r '{tmp_path}/my run', or another OUT_DIR")
    assert re.fullmatch(rf"Epoch 2/2: test {TEST}{EMA}", test)
    assert _without(tmp_path, end) == _without(run[1].parent, run[0].splitlines()[13:])


def _without(folder, lines):
    """Return lines in which a folder is "-", however it is written: the shorter of its two paths is printed."""
    return [line.replace(str(folder), "-").replace(os.path.relpath(folder), "-") for line in lines]


def test_tests_and_timings_in_the_same_folder_leave_the_log_readable(run, tmp_path, monkeypatch):
    monkeypatch.delenv("PYCLS_DATA_DIR", raising=False)
    shutil.copytree(run[1], tmp_path, dirs_exist_ok=True)
    tested = run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(tmp_path))
    weights, view, test, accuracy = tested.stdout.splitlines()[:4]
    assert weights.startswith(f"{tmp_path}/checkpoints/best.pyth: ") and view.startswith("View (test): decode(")
    assert re.fullmatch(f"Test: {TEST}", test) and accuracy.endswith("on 355 images")
    quick = {"PREC_TIME__NUM_ITER": 1, "PREC_TIME__WARMUP_ITER": 0}
    timed = run_tool_here("time_net.py", "--cfg", DIGITS, *tiny_words(tmp_path, **quick))
    no_data = tiny_words(tmp_path, TRAIN__DATASET="imagenet", **quick)
    assert run_tool_here("time_net.py", "--cfg", DIGITS, *no_data).returncode == 0
    said = [line.partition(": ") for line in timed.stdout.splitlines()]
    measured = [what for name, _, what in said if name == "fp32, contiguous"]
    assert [re.sub(NUMBER, "N", what) for what in measured] == [
        "inference of 96 images: N ms",
        "inference of 64 images: N ms",
        "training step of 96 images: N ms",
        "its forward pass: N ms",
        "inference N images/s, training N images/s",
    ]
    assert "json_stats" not in tested.stdout + timed.stdout and ".py: " not in tested.stdout + timed.stdout
    data = pycls_reader(tmp_path / "stdout.log")
    assert data["test_epoch"]["epoch"] == ["1/2", "2/2", "1/1"] and data["timing"]["loader"][1] is None
    assert "DATA_DIR" in data["timing"]["loader_not_timed"][1]


def test_log_dest_file_leaves_the_terminal_to_the_outcome(tmp_path):
    words = tiny_words(tmp_path, OPTIM__MAX_EPOCH=1, LOG_DEST="file", VERBOSE=False)
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *words)
    _check_end(done.stdout.splitlines())
    assert done.stderr == ""
    text = (tmp_path / "stdout.log").read_text()
    assert "Epoch 1/1: train loss" in text and "json_stats: " in text and "Network:\n" not in text


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_has_a_bar_that_fits_and_leaves_no_trace(tmp_path, columns, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    keys = tiny_words(tmp_path, OPTIM__MAX_EPOCH=1, LOG_PERIOD=1, LOG__STEP_SEC=0)
    with on_terminal(columns) as terminal:
        assert train.main("pycls train", ["--cfg", DIGITS, *keys]) == 0
    bars = [frame for frame in terminal.frames() if re.match(r"Epoch 1/1 +\d+ %", frame)]
    assert len(bars) > 1 and max(map(len, bars)) <= columns
    assert re.match(rf"Epoch 1/1 +\d+ %, loss {NUMBER}, error {NUMBER}", bars[-1]), bars
    if columns == 120:
        assert re.search(r" %, \d+ images/s, \d\d:\d\d left, \d+/15 \|.*\|", bars[-1]), bars
    assert len(terminal.lines()) == 17 and not any("|  " in line for line in terminal.lines()[4:]), "it is wiped away"
    assert "step 1/15" not in terminal.text and "json_stats" not in terminal.text
    assert "\033[1;32mEpoch 1/1: test top-1 error" in terminal.text and "best so far\033[0m" in terminal.text
    log = (tmp_path / "stdout.log").read_text()
    assert "\033" not in log and "\r" not in log and "Epoch 1/1, step 1/15: loss" in log


def test_evaluation_predictions_and_timing_have_bars_too(run, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "Bar", functools.partial(at_once, progress.Bar))
    best = str(run[1] / "checkpoints/best.pyth")
    keys = tiny_words(tmp_path)
    image = str(export_digits() / "val/3")
    with on_terminal(90) as terminal:
        evaluate.main("pycls test", ["--cfg", DIGITS, *keys, "TEST.WEIGHTS", best])
        predict.main("pycls predict", ["--weights", best, image])
        time.main("pycls time", ["--cfg", DIGITS, *keys, "PREC_TIME.NUM_ITER", "2"])
    frames = "\n".join(terminal.frames())
    assert re.search(rf"^Test +27 %, {NUMBER} images/s, \d\d:\d\d left, 96/355 \|", frames, re.MULTILINE), frames
    assert re.search(rf"^Predict +\d+ %, {NUMBER} images/s, \d\d:\d\d left, \d+/\d+ \|", frames, re.MULTILINE)
    assert re.search(
        r"^bf16, channels_last: training step of 96 images +\d+ %, \d\d:\d\d left, \d/5", frames, re.MULTILINE
    )
    assert not any(" left, " in line for line in terminal.lines()), "they are wiped away"
    assert any(re.match(r"\S+/3/\d+\.png: ", line) for line in terminal.lines()), "predictions remain"


def test_an_error_stands_on_a_line_of_its_own(tmp_path):
    words = tiny_words(tmp_path, OPTIM__BASE_LR=1e30, LOG_PERIOD=2)
    with on_terminal(80) as terminal, pytest.raises(SystemExit) as end:
        train.main("pycls train", ["--cfg", DIGITS, *words])
    assert end.value.code == 1 and re.match(r"pycls train: error: loss is (nan|inf)", terminal.lines()[-2])


def at_once(bar, *words, **keys):
    """Make a bar that is drawn from the beginning and at every step."""
    return bar(*words, **keys | {"delay": 0, "mininterval": 0, "miniters": 1})


def test_a_bar_is_not_drawn_over_lines_that_come_back_through_a_pipe(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with os.fdopen(reading), os.fdopen(writing, "w") as pipe, open(os.devnull, "w") as file:
        for stream, watched in ((pipe, False), (file, True)):
            monkeypatch.setattr("sys.stdout", stream)
            assert is_watched() == watched
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert not is_watched()
