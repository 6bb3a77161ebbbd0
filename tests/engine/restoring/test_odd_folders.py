"""A run goes on, or says in one line why not, whatever has become of the files in its folder."""

import json
import os
import shutil

import pytest

from pycls.core.checkpoint import best_path, checkpoint_dir, epoch_path, last_path, load_checkpoint
from pycls.engine import train
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

QUICK = {"OPTIM__MAX_EPOCH": 3, "OPTIM__EMA_UPDATE_PERIOD": 0, "BN__USE_PRECISE_STATS": False, "TRAIN__EVAL_PERIOD": 3}
QUICK |= {"TRAIN__BATCH_SIZE": 720}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of three epochs."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(tiny_cfg(folder, **QUICK))
    return folder


@pytest.fixture
def folder(tmp_path, finished):
    """A copy of it, every checkpoint a file of its own."""
    return shutil.copytree(finished, tmp_path / "run")


def go_on(folder):
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(folder, **QUICK))
    assert "Traceback" not in done.stderr + done.stdout
    return done


def as_folder(path):
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x")


def as_broken_link(path):
    path.unlink()
    path.symlink_to("nothing")


def as_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_endless(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def as_empty(path):
    path.write_bytes(b"")


def as_text(path):
    path.write_bytes(b"\xff\xfe\0not utf-8\n")


ODD = [as_folder, as_broken_link, as_loop, as_pipe, as_endless, as_empty, as_text]


def test_odd_checkpoints_are_passed_over_and_kept(folder):
    for path, odd in ((last_path(folder), as_folder), (epoch_path(folder, 3), as_pipe), (best_path(folder), as_folder)):
        odd(path)
    done = go_on(folder)
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in checkpoint_dir(folder).glob("*.damaged")}
    assert kept == {"last.pyth.damaged", "model_epoch_0003.pyth.damaged", "best.pyth.damaged"}
    log = (folder / "stdout.log").read_text()
    assert "last.pyth: is a folder; passed over, and kept as last.pyth.damaged" in log
    assert "model_epoch_0002.pyth is the newest that can be used; trained again: 1 finished epoch" in log
    assert load_checkpoint(best_path(folder))["position"] == {"epoch": 3, "step": 0}


@pytest.mark.parametrize("odd", ODD)
def test_with_odd_ones_only_nothing_is_begun_anew(folder, odd):
    for path in checkpoint_dir(folder).glob("*.pyth"):
        odd(path)
    done = go_on(folder)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert str(last_path(folder)) in done.stderr and "none of 5 checkpoints there can be used" in done.stderr
    assert (folder / "metrics.jsonl").read_text().count("train_epoch") == 3


def test_checkpoints_that_is_no_folder_is_no_fresh_run(folder):
    for odd in (lambda path: path.write_text("x"), lambda path: path.symlink_to("nothing")):
        moved = folder / "moved"
        os.replace(checkpoint_dir(folder), moved)
        odd(checkpoint_dir(folder))
        done = go_on(folder)
        assert done.returncode == 2 and f"{checkpoint_dir(folder)}: is no folder that can be listed" in done.stderr
        checkpoint_dir(folder).unlink()
        os.replace(moved, checkpoint_dir(folder))


@pytest.mark.parametrize("odd", ODD)
def test_odd_records_and_configs_are_kept_under_other_names(folder, odd):
    for name in ("metrics.jsonl", "config.yaml"):
        odd(folder / name)
    done = go_on(folder)
    assert done.returncode == 0, done.stderr
    assert "metrics.jsonl: " in (folder / "stdout.log").read_text()
    assert os.path.lexists(folder / "config_1.yaml") and "MAX_EPOCH: 3" in (folder / "config.yaml").read_text()
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert all("_type" in record for record in records)
    assert os.path.lexists(folder / "metrics.jsonl.damaged") == (odd is not as_empty)


def test_damaged_records_are_left_out_and_told(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines()
    odd = ["{", "\0\0", '{"_type": "train_epoch", "epoch": [1]}', '{"_type": 5}', "[" * 10**5, '{"epoch": "one/two"}']
    path.write_text("\n".join([lines[0], *odd, *lines[1:], lines[-1][:20]]))
    done = go_on(folder)
    assert done.returncode == 0, done.stderr
    assert path.read_text().splitlines()[: len(lines)] == lines
    assert "metrics.jsonl: 6 lines are no records and left out" in (folder / "stdout.log").read_text()


@pytest.mark.parametrize("odd", ODD)
def test_what_is_to_be_evaluated_is_named_in_one_line(folder, odd):
    odd(best_path(folder))
    words = tiny_words(folder, **{key: value for key, value in QUICK.items() if key != "TRAIN__EVAL_PERIOD"})
    done = run_tool_here("test_net.py", "--cfg", DIGITS, *words, "TEST.WEIGHTS", best_path(folder))
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert str(best_path(folder)) in done.stderr and not (folder / "test.json").exists()
