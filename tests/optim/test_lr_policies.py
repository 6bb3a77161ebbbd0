"""Learning rates equal pycls's, epoch by epoch and in between."""

import itertools
import json
from pathlib import Path

import pytest

from pycls.core.config import load_cfg
from pycls.optim import LR_POLICIES, build_lr_policy
from pycls.optim.lr_policies import exp_policy

PARITY = json.loads((Path(__file__).parents[1] / "records/lr_parity.json").read_text())


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


@pytest.mark.parametrize("name", LR_POLICIES)
def test_every_policy_starts_at_the_base_rate_and_never_rises(name):
    policy = policy_of({"LR_POLICY": name, "MIN_LR": 0.01, "STEPS": "[0, 30, 60]", "MAX_EPOCH": 90, "BASE_LR": 0.4})
    values = [policy(e / 4) for e in range(360)]
    assert values[0] == pytest.approx(0.4)
    assert all(a >= b > 0 for a, b in itertools.pairwise(values))
