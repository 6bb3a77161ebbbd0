"""Which epoch becomes best.pyth, and which weights of it count: the lower error, among equal ones the lower loss."""

import sys

import pytest
import torch

from pycls.core.checkpoint import best_path, last_path, load_checkpoint
from pycls.core.weights.formats import unpack_weights
from pycls.engine import train
from pycls.engine.reporting.evaluation import Evaluation
from tests.helpers.runs import tiny_cfg

NAN = float("nan")


def found(right, loss):
    """Return an evaluation of 100 images."""
    return Evaluation(100, right, 100, loss, torch.tensor([100]), torch.tensor([right]), None)


@pytest.fixture
def epochs(monkeypatch, tmp_path):
    """A function: train on, with these evaluations of (model, EMA) in turn, and return the number of the best epoch."""

    def run(*evaluations, max_epoch):
        turns = iter([found(*each) for epoch in evaluations for each in epoch])
        monkeypatch.setattr(sys.modules["pycls.engine.train"], "evaluate", lambda *words: next(turns))
        monkeypatch.setattr(sys.modules["pycls.engine.train"], "final_files", lambda *words: [])
        words = {"TRAIN__BATCH_SIZE": 480, "BN__USE_PRECISE_STATS": False}
        result = train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=max_epoch, **words))
        assert next(turns, None) is None
        return load_checkpoint(best_path(tmp_path))["position"]["epoch"], result

    return run


def test_of_equal_errors_the_lower_loss_wins(epochs, tmp_path):
    first, second, third = ((90, 0.5), (80, 0.1)), ((90, 0.4), (90, 0.6)), ((90, 0.45), (89, 0.1))
    best, result = epochs(first, second, third, max_epoch=3)
    assert best == 2 and (round(result.top1_err), result.loss) == (10, 0.45), "the result is the last epoch's"
    lines = (tmp_path / "stdout.log").read_text().splitlines()
    assert [line[:15] for line in lines if line.endswith("best so far")] == ["Epoch 1/3: test", "Epoch 2/3: test"]


def test_a_resumed_run_keeps_the_rule(epochs, tmp_path):
    assert epochs(((90, 0.5), (90, 0.3)), max_epoch=1)[0] == 1
    assert epochs(((90, 0.4), (90, 0.4)), max_epoch=2)[0] == 1, "the average had 0.3"
    assert epochs(((90, 0.4), (90, 0.2)), max_epoch=3)[0] == 3


def test_a_loss_that_is_no_number_comes_last(epochs):
    assert epochs(((90, NAN), (90, NAN)), ((90, 0.9), (90, NAN)), ((90, NAN), (90, NAN)), max_epoch=3)[0] == 2


def test_an_older_checkpoint_keeps_its_best_until_an_error_is_lower(epochs, tmp_path):
    epochs(((90, 0.5), (80, 0.5)), max_epoch=1)
    saved = load_checkpoint(last_path(tmp_path))
    older = {key: value for key, value in saved.items() if not key.endswith("_loss")}
    assert len(saved) - len(older) == 3
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
        torch.save(older, path)
    assert epochs(((90, 0.1), (90, 0.1)), max_epoch=2)[0] == 1
    assert epochs(((91, 0.9), (90, 0.1)), max_epoch=3)[0] == 3


@pytest.mark.parametrize(
    ("model", "average", "taken"),
    [
        ((10.0, 0.5), (10.0, 0.4), "ema_state"),
        ((10.0, 0.4), (10.0, 0.4), "model_state"),
        ((10.0, 0.4), (10.0, NAN), "model_state"),
        ((10.0, NAN), (10.0, 0.4), "ema_state"),
        ((9.0, 0.5), (10.0, 0.4), "model_state"),
        ((10.0, None), (10.0, 0.1), "model_state"),
    ],
)
def test_the_better_of_model_and_average_is_read(model, average, taken):
    weights = {"model_state": {"w": torch.zeros(2)}, "ema_state": {"w": torch.ones(2)}, "pixels": {}}
    scores = dict(zip(("test_err", "test_loss", "ema_err", "ema_loss"), (*model, *average), strict=True))
    assert unpack_weights(weights | scores, "a.pyth").notes == [f"from {taken}"]
