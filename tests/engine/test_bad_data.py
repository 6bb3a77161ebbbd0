"""Whole runs on data with bad, missing and hanging files."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from pycls import engine
from pycls.core.checkpoint import best_path, last_path, load_checkpoint
from pycls.datasets.digits import export_digits
from pycls.engine import EXIT_STOPPED, train
from tests.helpers.hanging import make_hang, release, wait_until_opened
from tests.helpers.runs import DIGITS, start_tool, tiny_cfg, tiny_words

BAD_TRAIN = ["0/0000.png", "3/0002.png", "3/0003.png", "9/0001.png"]
BAD_VAL = ["0/0004.png", "4/0014.png", "9/0009.png"]
SKIP = {"DATA_LOADER__ON_BAD_IMAGE": "skip", "OPTIM__MAX_EPOCH": 1}


def copy_digits(folder):
    """Copy the digits and return the keys that read them as a class-folder tree."""
    shutil.copytree(export_digits(), folder)
    return {"TRAIN__DATASET": "imagenet", "TEST__DATASET": "imagenet", "DATA_DIR": folder, "TRAIN__PCA_STD": 0}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Digits of which some are broken, and the keys to read them."""
    folder = tmp_path_factory.mktemp("damaged") / "digits"
    keys = copy_digits(folder)
    for number, name in enumerate(BAD_TRAIN):
        (folder / "train" / name).write_bytes([b"", b"text", (folder / "train" / name).read_bytes()[:90]][number % 3])
    for name in BAD_VAL:
        (folder / "val" / name).write_bytes(b"no image")
    return folder, keys


@pytest.fixture(scope="module")
def finished(damaged, tmp_path_factory):
    """An epoch of training on damaged data."""
    out_dir = tmp_path_factory.mktemp("run")
    return train(tiny_cfg(out_dir, **damaged[1], **SKIP)), out_dir


def records(out_dir, kind):
    lines = [json.loads(line) for line in (Path(out_dir) / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["_type"] == kind]


def test_by_default_a_bad_image_ends_the_run_with_its_name(damaged, tmp_path):
    with pytest.raises(ValueError, match=r"digits/train/\d/000\d\.png: "):
        train(tiny_cfg(tmp_path, **damaged[1]))


def test_training_counts_and_names_what_it_skipped(finished):
    result, out_dir = finished
    assert result.count == 355 - 3 and result.left_out == 3
    (epoch,) = records(out_dir, "train_epoch")
    text = (out_dir / "stdout.log").read_text()
    shown = [name for name in BAD_TRAIN if f"train/{name}: " in text]  # two images of 1442 are in no batch
    assert epoch["substituted"] == len(shown) >= 2 and text.count("Skipped a bad image") == len(shown) + 3
    for kind in ("test_epoch", "test_ema_epoch"):
        (test,) = records(out_dir, kind)
        assert test["count"] == 352 and test["left_out"] == 3
        assert [Path(name).name for name in test["left_out_files"]] == [Path(name).name for name in BAD_VAL]
    assert "352 images (3 LEFT OUT, which could not be read), " in text
    assert out_dir / "test_left_out.txt" in result.files


def test_evaluation_on_two_processes_leaves_out_the_same(finished, damaged, tmp_path):
    weights = best_path(finished[1])
    one, two = (
        engine.test(tiny_cfg(tmp_path / str(count), **damaged[1], **SKIP, TEST__WEIGHTS=weights, NUM_GPUS=count))
        for count in (1, 2)
    )
    assert (two.top1_err, two.top5_err, two.count, two.left_out) == (one.top1_err, one.top5_err, 352, 3)
    lists = [(tmp_path / str(count) / "test_left_out.txt").read_text() for count in (1, 2)]
    assert lists[0] == lists[1]
    assert [line for line in lists[0].splitlines() if line[0] != "#"] == [f"val/{name}" for name in BAD_VAL]
    summary = json.loads((tmp_path / "2" / "test.json").read_text())
    assert summary["left_out"] == 3 and summary["left_out_files"][0].endswith("val/0/0004.png")
    assert (tmp_path / "2" / "stdout.log").read_text().count("Skipped a bad image") == 3, "the other process's too"


def test_what_was_left_out_serves_as_a_skip_list(finished, damaged, tmp_path):
    weights, listed = best_path(finished[1]), finished[1] / "test_left_out.txt"
    keys = {**damaged[1], "TEST__WEIGHTS": weights, "DATA_LOADER__SKIP_LIST": listed}
    result = engine.test(tiny_cfg(tmp_path, **keys))  # with ON_BAD_IMAGE raise
    assert (result.top1_err, result.count, result.left_out) == (finished[0].top1_err, 352, 0)
    assert not (tmp_path / "test_left_out.txt").exists()


def test_training_on_two_processes_counts_over_both(damaged, tmp_path):
    result = train(tiny_cfg(tmp_path, **damaged[1], **SKIP, NUM_GPUS=2, TRAIN__BATCH_SIZE=206))  # 7 x 206 = 1442
    assert (result.count, result.left_out) == (352, 3)
    (epoch,) = records(tmp_path, "train_epoch")
    text = (tmp_path / "stdout.log").read_text()
    assert epoch["substituted"] == 4 and all(f"train/{name}: " in text for name in BAD_TRAIN)


# ---- hanging files


# Way of loading -> its keys. TIMEOUT_SEC is more than a busy machine may keep a good image waiting.
WAYS = {
    "processes": {"DATA_LOADER__BACKEND": "custom", "DATA_LOADER__WORKER_MODE": "processes"},
    "dali_cpu": {"DATA_LOADER__BACKEND": "dali_cpu"},
    "threads, two ranks": {"DATA_LOADER__BACKEND": "custom", "DATA_LOADER__WORKER_MODE": "threads", "NUM_GPUS": 2},
}
HANGS = {"DATA_LOADER__NUM_WORKERS": 2, "DATA_LOADER__TIMEOUT_SEC": 4}


def hang(folder):
    """Make a run of one epoch whose data then gets a file that never answers: its keys, folder and the file."""
    keys = copy_digits(folder / "digits")
    train(tiny_cfg(folder / "run", **keys, OPTIM__MAX_EPOCH=1))
    file = folder / "digits" / "train" / "3" / "0002.png"
    make_hang(file)
    return keys, folder / "run", file


def start(out_dir, **keys):
    return start_tool("train_net.py", "--cfg", DIGITS, *tiny_words(out_dir, **keys))


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The file that never answers; and way of loading -> its run's folder and program, all started at once."""
    folder = tmp_path_factory.mktemp("hanging")
    keys, run, file = hang(folder)
    release(file)
    started = {}
    for way in WAYS:  # each with a file of its own: the system makes nobody wait for long
        own = folder / way
        file = shutil.copytree(folder / "digits", own / "digits") / "train" / "3" / "0002.png"
        make_hang(file)
        out_dir = shutil.copytree(run, own / "run")
        started[way] = file, out_dir, start(out_dir, **{**keys, "DATA_DIR": own / "digits"}, **HANGS, **WAYS[way])
    yield started
    for file, _, program in started.values():
        release(file)
        program.kill()
        program.communicate()


@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.dali if "dali" in way else ()) for way in WAYS])
def test_a_hanging_file_ends_the_program_and_leaves_the_checkpoint(programs, way):
    if way == "dali_cpu":
        pytest.importorskip("nvidia.dali")
    file, out_dir, program = programs[way]
    output, _ = program.communicate(timeout=120)
    assert program.returncode == 1, output
    assert f"train_net.py: error: DATA_LOADER.TIMEOUT_SEC 4: a loader worker hangs on {file}" in output
    assert "Traceback" not in output.partition("train_net.py: error")[2]
    assert load_checkpoint(last_path(out_dir))["position"] == {"epoch": 1, "step": 0}


def test_a_stop_signal_works_while_a_file_hangs_and_the_run_goes_on_later(tmp_path):
    keys, out_dir, file = hang(tmp_path)
    program = start(out_dir, **keys, DATA_LOADER__TIMEOUT_SEC=0, TRAIN__CHECKPOINT_MINUTES=0)
    wait_until_opened(file)
    time.sleep(1)
    program.send_signal(signal.SIGTERM)
    output, _ = program.communicate(timeout=60)
    release(file)
    assert program.returncode == EXIT_STOPPED and "Stopped in epoch 2" in output, output
    position = load_checkpoint(last_path(out_dir))["position"]
    assert position["epoch"] == 1
    assert train(tiny_cfg(out_dir, **keys)).epochs == 2
