"""Every loss, optimizer and policy trains digits: one short run for each, in turn with the others."""

import contextlib
import itertools
import json
import sys

import pytest
import torch

from pycls.datasets.mix import build_mixer
from pycls.engine import train
from pycls.engine.epoch import prepare
from pycls.engine.evaluate import evaluate
from pycls.engine.run import build_run
from pycls.engine.signals import StopRequest
from pycls.engine.train import evaluate_run
from pycls.losses import LOSSES, balanced_weights
from pycls.optim import LR_POLICIES, OPTIMIZERS
from tests.engine.runs import tiny_cfg

RATES = {"sgd": 0.5, "muon": 0.02, "lion": 0.002, "lamb": 0.05, "rmsprop_tf": 0.2}
COMBINATIONS = list(
    itertools.islice(zip(*map(itertools.cycle, (OPTIMIZERS, LOSSES, LR_POLICIES)), strict=True), len(OPTIMIZERS))
)


def train_losses(out_dir):
    """Return the training loss of each epoch."""
    records = [json.loads(line) for line in (out_dir / "metrics.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["_type"] == "train_epoch"]


@pytest.mark.parametrize(("optimizer", "loss", "policy"), COMBINATIONS)
def test_it_learns(tmp_path, optimizer, loss, policy):
    keys = {"OPTIM__OPTIMIZER": optimizer, "OPTIM__BASE_LR": RATES.get(optimizer, 0.01), "MODEL__LOSS_FUN": loss}
    keys |= {"OPTIM__LR_POLICY": policy, "OPTIM__MIN_LR": 0.1, "OPTIM__STEPS": [0, 2], "OPTIM__PEAK_EPOCH": 1.0}
    keys |= {"OPTIM__LR_PER_ITER": True, "OPTIM__START_LR": 0.1, "OPTIM__MAX_EPOCH": 2, "OPTIM__EMA_UPDATE_PERIOD": 0}
    train(tiny_cfg(tmp_path, **keys))
    first, last = train_losses(tmp_path)
    assert last < 0.99 * first


def test_a_run_is_made_of_what_its_config_says(tmp_path, monkeypatch):
    keys = {"TRAIN__CUTMIX_ALPHA": 1.0, "TRAIN__CLASS_BALANCE": "loss", "OPTIM__SAM_RHO": 0.05, "TEST__HFLIP": True}
    cfg = tiny_cfg(tmp_path, **keys, TRAIN__REPEATS=2, OPTIM__EMA_RAMP=True, TRAIN__LABEL_SMOOTHING=0.1)
    with contextlib.closing(build_run(cfg, torch.device("cpu"), StopRequest())) as run:
        assert (run.mixer, run.stepper.sam_rho, run.state.ema.ramp) == (build_mixer(cfg), 0.05, True)
        labels = run.train_loader.samples.labels
        torch.testing.assert_close(run.stepper.loss_fn.keywords["weights"], balanced_weights(labels, 10))
        with contextlib.closing(run.train_loader.epoch(0)) as batches:
            batch = next(batches)
        assert len(set((batch.indices % len(labels)).tolist())) == 48
        before = batch.images.clone()
        images, targets, shown = prepare(run, batch)
        assert not torch.equal(images, before) and targets.min() == pytest.approx(0.01)
        assert ((targets > 0.011).sum(1) == 2).any() and torch.equal(shown, targets.argmax(1))
        torch.testing.assert_close(targets.sum(1), torch.ones(96))
        flips = []
        monkeypatch.setattr(
            sys.modules[evaluate_run.__module__], "evaluate", lambda *words: flips.append(words[-1]) or evaluate(*words)
        )
        evaluate_run(run, 0)
        assert flips == [True, True]


def test_the_wrappers_train_together(tmp_path):
    keys = {"OPTIM__SAM_RHO": 0.05, "OPTIM__LOOKAHEAD_STEPS": 5, "OPTIM__LAYER_DECAY": 0.9, "OPTIM__GRAD_CLIP": 5.0}
    keys |= {"TRAIN__CLASS_BALANCE": "sampler", "OPTIM__EMA_RAMP": True, "OPTIM__BASE_LR": 0.5}
    train(tiny_cfg(tmp_path, **keys))
    first, last = train_losses(tmp_path)
    assert last < 0.99 * first
