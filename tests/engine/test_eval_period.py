"""TRAIN.EVAL_PERIOD: evaluated every so many epochs and at the end, without a change to what is trained."""

import json

import pytest
import torch

from pycls.core.checkpoint import best_path, epoch_path, last_path, load_checkpoint
from pycls.engine import train
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

KEYS = {"OPTIM__MAX_EPOCH": 5, "TRAIN__KEEP": 0, "TRAIN__BATCH_SIZE": 480, "OPTIM__EMA_UPDATE_PERIOD": 1}


def records(out_dir, *kinds):
    lines = [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]
    return [record for record in lines if record["_type"] in kinds]


def epochs(out_dir, kind):
    return [int(record["epoch"].split("/")[0]) for record in records(out_dir, kind)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run evaluated after every epoch, and after every second one (by the command line, KEY=VALUE)."""
    every, second = tmp_path_factory.mktemp("every"), tmp_path_factory.mktemp("second")
    train(tiny_cfg(every, **KEYS))
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(second, **KEYS), "TRAIN.EVAL_PERIOD=2")
    assert done.returncode == 0 and "Top-1 accuracy" in done.stdout, done.stderr
    return every, second


def test_every_second_epoch_and_the_last_are_evaluated(runs):
    every, second = runs
    assert epochs(second, "train_epoch") == [1, 2, 3, 4, 5]
    assert epochs(second, "test_epoch") == epochs(second, "test_ema_epoch") == [2, 4, 5]
    assert epochs(every, "test_epoch") == [1, 2, 3, 4, 5]


def test_weights_and_figures_are_those_of_a_run_with_every_evaluation(runs):
    every, second = runs
    for number in range(1, 6):
        a, b = (load_checkpoint(epoch_path(run, number)) for run in runs)
        for name in ("model_state", "ema_state"):
            assert all(torch.equal(a[name][key], b[name][key]) for key in a[name]), (number, name)
        assert (b["test_err"], b["ema_err"]) == ((a["test_err"], a["ema_err"]) if number in (2, 4, 5) else (None, None))
    for kind in ("test_epoch", "test_ema_epoch"):
        errors = {record["epoch"]: (record["top1_err"], record["loss"]) for record in records(every, kind)}
        found = {record["epoch"]: (record["top1_err"], record["loss"]) for record in records(second, kind)}
        assert len(found) == 3 and all(errors[epoch] == figures for epoch, figures in found.items())


def test_best_is_the_best_of_the_evaluated_epochs(runs):
    _, second = runs
    by_epoch = {}
    for record in records(second, "test_epoch", "test_ema_epoch"):
        number = int(record["epoch"].split("/")[0])
        by_epoch[number] = min(record["top1_err"], by_epoch.get(number, 100.0))
    saved = load_checkpoint(best_path(second))
    assert saved["best_err"] == min(by_epoch.values()) and by_epoch[saved["epoch"] + 1] == saved["best_err"]


@pytest.mark.parametrize("finished", [1, 2])
def test_a_run_cut_off_after_any_epoch_ends_the_same(runs, tmp_path, finished):
    """Only what it had saved by then lies in its folder."""
    _, second = runs
    path = epoch_path(tmp_path, finished)
    path.parent.mkdir()
    path.write_bytes(epoch_path(second, finished).read_bytes())
    result = train(tiny_cfg(tmp_path, **KEYS, TRAIN__EVAL_PERIOD=2))
    ours, theirs = load_checkpoint(last_path(tmp_path)), load_checkpoint(last_path(second))
    assert all(torch.equal(ours["model_state"][key], theirs["model_state"][key]) for key in theirs["model_state"])
    names = ("test_err", "ema_err", "best_err", "position")
    assert [ours[name] for name in names] == [theirs[name] for name in names]
    assert epochs(tmp_path, "test_epoch") == [number for number in (2, 4, 5) if number > finished]
    assert result.best_top1_err == theirs["best_err"]


def test_a_run_that_is_ended_early_is_evaluated_then(runs, tmp_path):
    """By a MAX_EPOCH at which it had no evaluation: it gets its figures, records and best checkpoint, once."""
    every, second = runs
    path = epoch_path(tmp_path, 3)
    path.parent.mkdir()
    path.write_bytes(epoch_path(second, 3).read_bytes())
    for _ in range(2):
        result = train(tiny_cfg(tmp_path, **KEYS | {"OPTIM__MAX_EPOCH": 3}, TRAIN__EVAL_PERIOD=2))
        assert epochs(tmp_path, "test_epoch") == epochs(tmp_path, "test_ema_epoch") == [3]
    known, saved = load_checkpoint(epoch_path(every, 3)), load_checkpoint(last_path(tmp_path))
    assert (saved["test_err"], saved["ema_err"]) == (known["test_err"], known["ema_err"])
    errors = [load_checkpoint(epoch_path(second, 2))["best_err"], known["test_err"], known["ema_err"]]
    assert result.best_top1_err == saved["best_err"] == min(errors)
    assert best_path(tmp_path).exists() is (min(errors[1:]) < errors[0])


def test_a_period_longer_than_the_run_evaluates_its_end(tmp_path):
    result = train(tiny_cfg(tmp_path, **KEYS | {"OPTIM__MAX_EPOCH": 2}, TRAIN__EVAL_PERIOD=100))
    assert epochs(tmp_path, "test_epoch") == [2] and result.count == 355
    assert best_path(tmp_path).samefile(last_path(tmp_path))
