"""Learning rates equal pycls's, epoch by epoch and in between."""

import itertools
import json

import numpy as np
import pytest
import torch

from pycls.core.config import load_cfg
from pycls.optim import LR_POLICIES, build_lr_policy
from pycls.optim.lr_policies import exp_policy
from tests.helpers.paths import RECORDS

PEAKED = ("cyclic", "one_cycle")

PARITY = json.loads((RECORDS / "lr_parity.json").read_text())


def policy_of(overrides):
    return build_lr_policy(load_cfg(None, [str(w) for k, v in overrides.items() for w in (f"OPTIM.{k}", v)]))


@pytest.mark.parametrize("name", PARITY["schedules"])
def test_every_recorded_schedule(name):
    schedule = PARITY["schedules"][name]
    policy = policy_of(schedule["overrides"])
    assert [policy(e) for e in range(len(schedule["lr_per_epoch"]))] == pytest.approx(
        schedule["lr_per_epoch"], rel=1e-12, abs=1e-18
    )


FRACTIONAL = {
    "cos_warm5_100ep_base0.8": {"BASE_LR": 0.8, "MAX_EPOCH": 100, "WARMUP_EPOCHS": 5},
    "lin_warm5_100ep_min0.1": {"LR_POLICY": "lin", "BASE_LR": 0.8, "MAX_EPOCH": 100, "WARMUP_EPOCHS": 5, "MIN_LR": 0.1},
    "exp_min0.001_100ep": {"LR_POLICY": "exp", "MAX_EPOCH": 100, "MIN_LR": 0.001},
}


@pytest.mark.parametrize("name", PARITY["fractional_epoch_extra"])
def test_fractional_epochs(name):
    policy = policy_of(FRACTIONAL[name])
    for epoch, lr in PARITY["fractional_epoch_extra"][name].items():
        assert policy(float(epoch)) == pytest.approx(lr, rel=1e-12)


def test_exp_needs_a_positive_end():
    with pytest.raises(ValueError, match=r"OPTIM\.MIN_LR"):
        exp_policy(10, 0.0)


@pytest.mark.parametrize("name", [name for name in LR_POLICIES if name not in PEAKED])
def test_every_policy_starts_at_the_base_rate_and_never_rises(name):
    policy = policy_of({"LR_POLICY": name, "MIN_LR": 0.01, "STEPS": "[0, 30, 60]", "MAX_EPOCH": 90, "BASE_LR": 0.4})
    values = [policy(e / 4) for e in range(360)]
    assert values[0] == pytest.approx(0.4)
    assert all(a >= b > 0 for a, b in itertools.pairwise(values))


def test_poly_by_its_formula():
    policy = policy_of({"LR_POLICY": "poly", "LR_POWER": 2.0, "MAX_EPOCH": 10, "BASE_LR": 0.5, "MIN_LR": 0.1})
    assert [policy(e) for e in (0, 2.5, 10)] == pytest.approx([0.5, 0.5 * (0.9 * 0.5625 + 0.1), 0.05], rel=1e-12)


def test_cyclic_is_interpolation_between_three_points():
    policy = policy_of({"LR_POLICY": "cyclic", "MAX_EPOCH": 16, "BASE_LR": 1.7, "PEAK_EPOCH": 2.0})
    epochs = np.linspace(0, 16, 321)
    expected = np.interp(epochs, [0, 2, 16], [1.7e-4, 1.7, 0])
    assert [policy(e) for e in epochs] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-15)


def test_one_cycle_is_torch_s():
    """torch counts steps: its peak is at step 0.3 * 100 - 1, its end at step 99."""
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(sgd, 0.5, total_steps=100, pct_start=0.3)
    keys = {"LR_POLICY": "one_cycle", "BASE_LR": 0.5, "MAX_EPOCH": 99, "PEAK_EPOCH": 29.0}
    policy = policy_of(keys | {"START_LR": 1 / 25, "MIN_LR": 1 / 25e4})
    for step in range(100):
        assert policy(step) == pytest.approx(sgd.param_groups[0]["lr"], rel=1e-9), step
        sgd.step()
        if step < 99:
            scheduler.step()


@pytest.mark.parametrize("name", PEAKED)
def test_peaks_that_cannot_be_are_named(name):
    with pytest.raises(ValueError, match=r"OPTIM\.PEAK_EPOCH"):
        policy_of({"LR_POLICY": name, "MAX_EPOCH": 2})
    with pytest.raises(ValueError, match=r"OPTIM\.WARMUP_EPOCHS"):
        policy_of({"LR_POLICY": name, "WARMUP_EPOCHS": 5})
