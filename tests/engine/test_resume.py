"""A run cannot be lost: killed, stopped or continued, it ends with the same bits as one that was left alone."""

import json
import logging
import os
import random
import re
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pycls.core.checkpoint import epoch_path, last_path, load_checkpoint, save_checkpoint
from pycls.engine import EXIT_STOPPED, checkpointing, epoch, train
from pycls.engine.identity import check_data
from pycls.engine.reporting.result import report
from pycls.engine.step import Stepper
from tests.helpers.runs import DIGITS, start_tool, tiny_cfg, tiny_words

# Random in every way it can be (dropout, drop-connect, mixing), and slow enough to be hit by a signal.
EFFNET = {
    "MODEL__TYPE": "effnet",
    "MODEL__ACTIVATION_FUN": "silu",
    "EN__STEM_W": 8,
    "EN__HEAD_W": 16,
    "EN__DC_RATIO": 0.2,
    "EN__DROPOUT_RATIO": 0.2,
}
EFFNET |= {"EN__DEPTHS": [1, 2], "EN__WIDTHS": [8, 12], "EN__EXP_RATIOS": [1, 4], "EN__STRIDES": [1, 2]}
EFFNET |= {"EN__KERNELS": [3, 3], "TRAIN__IM_SIZE": 12, "TEST__IM_SIZE": 12}
SLOW = EFFNET | {"OPTIM__MAX_EPOCH": 3, "TRAIN__CHECKPOINT_MINUTES": 0, "TRAIN__BATCH_SIZE": 72}
SLOW |= {"TRAIN__MIXUP_ALPHA": 0.8, "TRAIN__CUTMIX_ALPHA": 1.0}
SAVING = SLOW | {"TRAIN__CHECKPOINT_MINUTES": 1e-9}  # after every step


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The checkpoint of the whole run, left alone."""
    out_dir = tmp_path_factory.mktemp("whole")
    train(tiny_cfg(out_dir, **SLOW))
    return load_checkpoint(last_path(out_dir)), out_dir


def start(out_dir, keys):
    return start_tool("train_net.py", "--cfg", DIGITS, *tiny_words(out_dir, **keys))


def wait_for_save(process, out_dir, saves, timeout=120):
    """Wait until the run has saved `saves` times."""
    seen, stamp, end = 0, None, time.monotonic() + timeout
    while seen < saves and time.monotonic() < end and process.poll() is None:
        with_file = last_path(out_dir).exists()
        now = last_path(out_dir).stat().st_mtime_ns if with_file else None
        seen, stamp = seen + (now != stamp), now
        time.sleep(0.002)
    assert seen >= saves, process.communicate()[0]


def same(a, b, path=""):
    """Compare two checkpoints bit for bit."""
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), path
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            same(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same(x, y, f"{path}/{i}")
    else:
        assert a == b, path


def assert_same_run(out_dir, uninterrupted):
    expected, whole_dir = uninterrupted
    found = load_checkpoint(last_path(out_dir))
    for saved in (expected := dict(expected), found):
        saved.pop("cfg")  # names OUT_DIR
    same(found, expected)
    assert figures(out_dir) == figures(whole_dir), "no record twice, none missing"
    assert said(out_dir) == said(whole_dir), "no line twice, none missing"
    assert not (out_dir / "unfinished").exists()


def said(out_dir):
    """Return the lines on epochs for people, without what depends on speed, and the epochs of the records."""
    text = (Path(out_dir) / "stdout.log").read_text()
    lines = re.findall(r"^(Epoch .*?lr [\d.e-]+|Epoch .*? images), ", text, re.M)
    assert lines
    return lines, re.findall(r'json_stats: .*"_type": "(train_epoch|test_.*?epoch)".*"epoch": "(.*?)"', text)


def figures(out_dir):
    """Return the metrics that do not depend on speed."""
    timed = {"time_avg", "time_diff", "time_epoch", "eta", "mem", "images_per_sec", "data_wait_pct"}
    lines = [json.loads(line) for line in (Path(out_dir) / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["_type"] != "train_iter"]  # windows are cut where the run was
    return [{k: v for k, v in line.items() if k not in timed} for line in lines]


def kill_at_a_random_step(out_dir):
    """Kill at any moment, or (folder "other") while a checkpoint is half written."""
    process = start(out_dir, SAVING)
    wait_for_save(process, out_dir, random.randint(2, 40))
    while out_dir.name == "other" and process.poll() is None and not list(out_dir.glob("checkpoints/.*.tmp")):
        pass
    process.kill()
    process.communicate()


def test_killed_at_a_random_step_and_resumed(tmp_path, uninterrupted):
    folders = [tmp_path / "one", tmp_path / "other"]
    with ThreadPoolExecutor() as pool:
        list(pool.map(kill_at_a_random_step, folders))
    for num_workers, folder in enumerate(folders, 1):
        position = load_checkpoint(last_path(folder))["position"]
        result = train(tiny_cfg(folder, **SAVING, DATA_LOADER__NUM_WORKERS=num_workers))
        assert result.epochs == 3, position
        assert not list(folder.glob("checkpoints/.*.tmp"))
        assert_same_run(folder, uninterrupted)


def test_a_signal_stops_cleanly_and_the_same_command_goes_on(tmp_path, uninterrupted):
    process = start(tmp_path, SLOW)
    wait_for_save(process, tmp_path, 1)  # the first epoch's steps
    process.send_signal(signal.SIGUSR2)  # submitit's
    output, _ = process.communicate(timeout=120)
    assert process.returncode == EXIT_STOPPED == 75, output
    assert "Stopped" in output
    position = load_checkpoint(last_path(tmp_path))["position"]
    assert (position["epoch"], position["step"]) >= (0, 20)
    train(tiny_cfg(tmp_path, **SLOW))
    assert_same_run(tmp_path, uninterrupted)


def test_every_signal_stops_after_the_step_that_runs(tmp_path, uninterrupted, monkeypatch):
    step, taken, due = Stepper.step, [], {26: signal.SIGINT, 37: signal.SIGUSR1}

    def interrupted_step(*words, **keys):
        taken.append(1)
        if len(taken) in due:
            os.kill(os.getpid(), due[len(taken)])
        return step(*words, **keys)

    monkeypatch.setattr(Stepper, "step", interrupted_step)
    for position in ({"epoch": 1, "step": 6}, {"epoch": 1, "step": 17}):
        result = train(tiny_cfg(tmp_path, **SLOW))
        assert result.interrupted and report(result) == EXIT_STOPPED
        assert load_checkpoint(last_path(tmp_path))["position"] == position
    train(tiny_cfg(tmp_path, **SLOW))
    assert_same_run(tmp_path, uninterrupted)


def test_a_cut_off_last_falls_back_and_still_ends_the_same(tmp_path, uninterrupted):
    train(tiny_cfg(tmp_path, **SLOW))
    for path in (last_path(tmp_path), epoch_path(tmp_path, 3)):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data[: len(data) // 2])
    train(tiny_cfg(tmp_path, **SLOW))
    assert_same_run(tmp_path, uninterrupted)
    log = (tmp_path / "stdout.log").read_text()
    assert "model_epoch_0002.pyth is the newest that can be used; trained again: 1 finished epoch" in log


def test_a_finished_run_started_again_only_reports(tmp_path, uninterrupted):
    expected, whole_dir = uninterrupted
    out_dir = shutil.copytree(whole_dir, tmp_path / "copy")
    before = last_path(out_dir).stat().st_mtime_ns
    result = train(tiny_cfg(out_dir, **SLOW))
    assert result.epochs == 3 and result.top1_err == min(expected["test_err"], expected["ema_err"])
    assert last_path(out_dir).stat().st_mtime_ns == before


def written(out_dir):
    """When each file of a run was written, but for the log and the lock."""
    files = [path for path in Path(out_dir).rglob("*") if path.is_file() and path.name not in ("stdout.log", ".lock")]
    return {path: path.stat().st_mtime_ns for path in files}


def test_the_config_that_a_run_followed_so_far_is_kept(tmp_path):
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=1))
    first = (tmp_path / "config.yaml").read_text()
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=2, MODEL__LOSS_FUN="focal"))
    assert (tmp_path / "config_1.yaml").read_text() == first != (tmp_path / "config.yaml").read_text()
    log = (tmp_path / "stdout.log").read_text()
    assert "Resuming with MODEL.LOSS_FUN focal; the run so far had cross_entropy" in log


def test_other_images_than_so_far_are_noticed(caplog, monkeypatch):
    old = {"training": [100, 1, 2], "test": [50, 3, 4]}
    check_data(old, {"training": [100, 1, 0], "test": [50, 3, 4]}, 7, "a.pyth")  # packed: no names to compare
    assert not caplog.records
    for other, words in (([90, 9, 2], "with 100 training images, now there are 90"), ([100, 1, 5], "though as many")):
        now = old | {"training": other}
        with pytest.raises(ValueError, match=rf"a\.pyth: was made .*{words}.*its epoch cannot go on"):
            check_data(old, now, 7, "a.pyth")
    monkeypatch.setattr(logging.getLogger("pycls"), "propagate", True)
    check_data(old, {"training": [90, 9, 2], "test": [51, 3, 4]}, 0, "a.pyth")
    words = {record.args[0] for record in caplog.records}
    assert words == {
        f"a.pyth: was made with {n} images, now there are {m}" for n, m in (("100 training", 90), ("50 test", 51))
    }


def test_a_checkpoint_says_which_images_it_has_seen(uninterrupted):
    data = uninterrupted[0]["data"]
    assert (data["training"][0], data["test"][0]) == (1442, 355) and all(all(numbers) for numbers in data.values())


def test_changed_settings_are_in_force_after_resuming(tmp_path):
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=1))
    train(tiny_cfg(tmp_path, OPTIM__WEIGHT_DECAY=0.25, OPTIM__MOMENTUM=0.5))
    groups = load_checkpoint(last_path(tmp_path))["optimizer_state"]["param_groups"]
    assert {(group["weight_decay"], group["momentum"]) for group in groups} == {(0.25, 0.5)}
    assert "Resuming with OPTIM.WEIGHT_DECAY 0.25" in (tmp_path / "stdout.log").read_text()


def test_a_stop_during_evaluation_loses_no_step(tmp_path, uninterrupted, monkeypatch):
    import pycls.engine.evaluate

    def fail(*args):
        raise OSError("unreadable validation image")

    monkeypatch.setattr(pycls.engine.evaluate.Counter, "add", fail)
    with pytest.raises(OSError, match="unreadable"):
        train(tiny_cfg(tmp_path, **SLOW))
    monkeypatch.undo()
    assert load_checkpoint(last_path(tmp_path))["position"] == {"epoch": 0, "step": 20}
    train(tiny_cfg(tmp_path, **SLOW))
    assert_same_run(tmp_path, uninterrupted)


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path, uninterrupted, monkeypatch):
    """Each save but the last two is held back until the evaluation has begun, or the next epoch has taken steps."""
    engine_train = sys.modules["pycls.engine.train"]
    step, evaluate, steps, evaluations, saves = Stepper.step, engine_train.evaluate, [], [], []

    def late_save(state, path):
        which, after_evaluation = divmod(len(saves), 2)
        saves.append(path)
        seen, expected = (steps, 20 * (which + 1) + 3) if after_evaluation else (evaluations, 2 * which + 1)
        end = time.monotonic() + 60
        while which < 2 and len(seen) < expected:
            assert time.monotonic() < end, path
            time.sleep(0.001)
        save_checkpoint(state, path)

    monkeypatch.setattr(Stepper, "step", lambda *words: steps.append(1) or step(*words))
    monkeypatch.setattr(engine_train, "evaluate", lambda *words: evaluations.append(1) or evaluate(*words))
    monkeypatch.setattr(checkpointing, "save_checkpoint", late_save)
    train(tiny_cfg(tmp_path, **SLOW))
    assert len(saves) == 6
    assert_same_run(tmp_path, uninterrupted)
    for number in (1, 2):
        found, expected = (load_checkpoint(epoch_path(folder, number)) for folder in (tmp_path, uninterrupted[1]))
        same(found | {"cfg": ""}, expected | {"cfg": ""})


@pytest.mark.parametrize("stopped", [False, True])
def test_a_full_disk_ends_the_run_which_does_not_claim_to_have_saved(tmp_path, monkeypatch, stopped):
    saves, step, taken = [], Stepper.step, []

    def full_disk(state, path):
        saves.append(path)
        if len(saves) == 2:
            if stopped:
                os.kill(os.getpid(), signal.SIGTERM)
            raise OSError(28, f"{path}: could not be saved (No space left on device)")
        save_checkpoint(state, path)

    monkeypatch.setattr(Stepper, "step", lambda *words: taken.append(1) or step(*words))
    monkeypatch.setattr(checkpointing, "save_checkpoint", full_disk)
    monkeypatch.setattr(epoch, "_save_is_due", lambda run: run.state.step in (3, 4))
    with pytest.raises(OSError, match="No space left"):
        train(tiny_cfg(tmp_path))
    assert load_checkpoint(last_path(tmp_path))["position"] == {"epoch": 0, "step": 3}
    assert len(taken) < 15 and len(saves) == 2, "it ends after the step that runs"
    assert "Stopped" not in (tmp_path / "stdout.log").read_text()


def two_processes_with_folders_of_their_own(folder):
    from pycls.core.distributed import rank
    from pycls.engine.train import train

    return train(tiny_cfg(Path(folder) / ("a" if rank() == 0 else "b"), OPTIM__MAX_EPOCH=3))


def test_processes_that_see_different_checkpoints_do_not_train(tmp_path, monkeypatch):
    from pycls.core.launch import launch

    train(tiny_cfg(tmp_path / "a", OPTIM__MAX_EPOCH=1))
    with pytest.raises(RuntimeError, match=r"(?s)process \d failed:.*process 1 on .* has another (state|config)"):
        launch(two_processes_with_folders_of_their_own, (str(tmp_path),), 2, "gloo", 5.0)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"EN__STEM_W": 16}, "EN.STEM_W 8, this config says 16"),
        ({"BN__EPS": 1e-3}, "BN.EPS 1e-05, this config says 0.001"),
        ({"RNG_SEED": 7}, "RNG_SEED 1, this config says 7"),
        ({"TRAIN__AUTO_RESUME": False}, "already holds a run"),
        (
            {"OPTIM__BASE_LR": 0.9},
            r"its run ended with OPTIM\.BASE_LR .*, this config says 0\.9; choose",
        ),
        ({"MODEL__LOSS_FUN": "focal"}, r"its run ended with MODEL\.LOSS_FUN cross_entropy, this config says focal"),
        ({"OPTIM__MAX_EPOCH": 2}, r"has 3 epochs, OPTIM\.MAX_EPOCH is 2"),
    ],
)
def test_another_run_s_folder_is_not_touched(uninterrupted, keys, words):
    _, out_dir = uninterrupted
    before = written(out_dir)
    with pytest.raises(ValueError, match=words):
        train(tiny_cfg(out_dir, **SLOW | keys))
    assert before == written(out_dir)
