"""Everything that a recipe can choose by name learns digits: each run takes the next name of every table."""

import contextlib
import itertools
import sys

import pytest
import torch

from pycls.core.stop_signals import StopRequest
from pycls.datasets.mix import build_mixer
from pycls.datasets.transforms.augment import OP_SETS
from pycls.engine import train
from pycls.engine.epoch import prepare
from pycls.engine.evaluate import evaluate
from pycls.engine.run import build_run
from pycls.engine.train import evaluate_run
from pycls.losses import LOSSES, balanced_weights
from pycls.models.heads import HEADS
from pycls.optim import LR_POLICIES, OPTIMIZERS
from tests.helpers.runs import tiny_cfg

# An epoch of 44 steps, on a network that is wide enough to learn in it: guessing has an error of 90 %, these 4 to 60.
SHORT = {
    "ANYNET__STEM_W": 16,
    "ANYNET__WIDTHS": [24, 48],
    "ANYNET__STRIDES": [2, 2],
    "BN__USE_PRECISE_STATS": False,
    "OPTIM__MAX_EPOCH": 1,
    "OPTIM__LR_PER_ITER": True,
    "OPTIM__MIN_LR": 0.1,
    "OPTIM__START_LR": 0.1,
    "OPTIM__PEAK_EPOCH": 0.2,
    "OPTIM__STEPS": [0, 0.8],
    "OPTIM__EMA_UPDATE_PERIOD": 0,
    "TRAIN__BATCH_SIZE": 32,
}
RATES = {"sgd": 0.5, "lamb": 0.1, "rmsprop_tf": 0.05, "muon": 0.03, "adam": 0.02, "adamw": 0.01}  # others: 0.003
# What happens to batches: the four ways to mix them, or colors and an emptied rectangle.
BOTH = {"TRAIN__MIXUP_ALPHA": 0.2, "TRAIN__CUTMIX_ALPHA": 1.0}
MIXERS = (
    {"TRAIN__CUTMIX_ALPHA": 1.0},
    {"TRAIN__MIXUP_ALPHA": 0.2},
    {"TRAIN__COLOR_JITTER": [0.4, 0.4, 0.4, 0.1], "TRAIN__RANDOM_ERASE": 0.1},
    BOTH,
    BOTH | {"TRAIN__MIX_MODE": "elem", "TRAIN__COLOR_JITTER": [0.4] * 3 + [0.0], "TRAIN__COLOR_JITTER_STYLE": "cutmix"},
)
NUMBERS = {("torchvision", "RandAugment"): "_N1_M5", ("pycls", "RandAugment"): "_N2_M0.3"}
NUMBERS |= {("timm", "RandAugment"): "_N2_M3_S0.5"}
POLICIES = [(ops, name + NUMBERS.get((ops, name), "")) for ops, table in OP_SETS.items() for name in table]
TABLES = (OPTIMIZERS, LOSSES, LR_POLICIES, HEADS, POLICIES, MIXERS)
ROWS = list(itertools.islice(zip(*map(itertools.cycle, TABLES), strict=True), max(map(len, TABLES))))


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Spare what takes a third of such a run."""
    for module, name in (("run_files", "plot_curves"), ("reporting.evaluation_files", "plot_confusion")):
        monkeypatch.setattr(sys.modules[f"pycls.engine.{module}"], name, lambda *_: None)


@pytest.mark.parametrize(("optimizer", "loss", "lr_policy", "head", "augment", "mixer"), ROWS)
def test_it_learns(tmp_path, optimizer, loss, lr_policy, head, augment, mixer):
    keys = {"OPTIM__OPTIMIZER": optimizer, "OPTIM__BASE_LR": RATES.get(optimizer, 0.003), "MODEL__LOSS_FUN": loss}
    keys |= {"OPTIM__LR_POLICY": lr_policy, "MODEL__HEAD": head}
    keys |= {"TRAIN__AUGMENT_OPS": augment[0], "TRAIN__AUGMENT": augment[1]}
    result = train(tiny_cfg(tmp_path, **SHORT, **keys, **mixer))
    assert result.top1_err < 75


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
        run.state.step = 7  # a box of more than half of the image
        _, targets, shown = prepare(run, batch)
        assert torch.equal(shown, targets.argmax(1)) and not torch.equal(shown, batch.labels)
        flips = []
        monkeypatch.setattr(
            sys.modules[evaluate_run.__module__], "evaluate", lambda *words: flips.append(words[5]) or evaluate(*words)
        )
        evaluate_run(run, 0)
        assert flips == [True, True]


def test_the_wrappers_train_together(tmp_path):
    keys = {"OPTIM__SAM_RHO": 0.05, "OPTIM__LOOKAHEAD_STEPS": 5, "OPTIM__LAYER_DECAY": 0.9, "OPTIM__GRAD_CLIP": 5.0}
    keys |= {"TRAIN__CLASS_BALANCE": "sampler", "OPTIM__EMA_UPDATE_PERIOD": 4, "OPTIM__EMA_RAMP": True}
    keys |= {"OPTIM__BASE_LR": 0.5, "MODEL__STOCHASTIC_DEPTH": 0.1}
    result = train(tiny_cfg(tmp_path, **(SHORT | keys)))
    assert result.top1_err < 75
