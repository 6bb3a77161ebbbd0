"""Every loss, optimizer and policy trains digits: one short run for each, in turn with the others."""

import itertools
import json

import pytest

from pycls.engine import train
from pycls.losses import LOSSES
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


def test_the_wrappers_train_together(tmp_path):
    keys = {"OPTIM__SAM_RHO": 0.05, "OPTIM__LOOKAHEAD_STEPS": 5, "OPTIM__LAYER_DECAY": 0.9, "OPTIM__GRAD_CLIP": 5.0}
    keys |= {"TRAIN__CLASS_BALANCE": "sampler", "OPTIM__EMA_RAMP": True, "OPTIM__BASE_LR": 0.5}
    train(tiny_cfg(tmp_path, **keys))
    first, last = train_losses(tmp_path)
    assert last < 0.99 * first
