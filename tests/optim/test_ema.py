"""The moving average follows pycls's rule."""

import json

import pytest
import torch
from torch import nn

from pycls.optim.ema import EMA, ema_rate
from tests.helpers.paths import RECORDS

MISC = json.loads((RECORDS / "pycls_misc_parity.json").read_text())


@pytest.mark.parametrize("case", MISC["ema"], ids=lambda c: f"{c['alpha']:.5f}")
def test_rate_and_one_update(case):
    rate = ema_rate(case["EMA_ALPHA"], case["BATCH_SIZE"], case["MAX_EPOCH"], case["EMA_UPDATE_PERIOD"])
    assert rate == pytest.approx(case["alpha"], rel=1e-12)
    model = nn.BatchNorm2d(1)
    ema = EMA(model, rate, 1, warmup_epochs=0)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.running_mean.fill_(3.0)
        model.num_batches_tracked.fill_(100)
    ema.update(model, epoch=0, step=0)
    assert ema.model.weight.item() == pytest.approx(case["weight 1->2"], rel=1e-6)
    assert ema.model.running_mean.item() == pytest.approx(case["running_mean 0->3"], rel=1e-6)
    assert ema.model.num_batches_tracked.item() == 100, "copied; pycls truncates it"


def test_warm_up_copies():
    model = nn.Linear(2, 2)
    ema = EMA(model, 0.001, 1, warmup_epochs=2)
    nn.init.constant_(model.weight, 5.0)
    ema.update(model, epoch=1, step=0)
    assert torch.equal(ema.model.weight, model.weight)


def test_updates_come_every_period_counted_in_the_epoch():
    model = nn.Linear(1, 1)
    ema = EMA(model, 1.0, 32, warmup_epochs=0)
    taken = []
    for step in range(70):
        nn.init.constant_(model.weight, float(step))
        ema.update(model, epoch=3, step=step)
        taken.append(ema.model.weight.item())
    changes = [step for step in range(70) if taken[step] == step]
    assert changes == MISC["ema_update_iters_with_period_32_and_70_iters_per_epoch"]


def test_the_copy_is_its_own():
    model = nn.Linear(2, 2)
    ema = EMA(model, 0.5, 1, warmup_epochs=0)
    nn.init.constant_(model.weight, 9.0)
    assert not torch.equal(ema.model.weight, model.weight)
    assert not any(p.requires_grad for p in ema.model.parameters())


def test_a_ramp_takes_much_at_first_and_resumes_from_the_position_alone():
    model = nn.Linear(1, 1, bias=False)
    ema = EMA(model, 0.02, 4, warmup_epochs=1, ramp=True)
    rates = []
    for epoch in range(1, 41):
        for step in range(0, 10, 4):
            nn.init.zeros_(ema.model.weight)
            nn.init.ones_(model.weight)
            ema.update(model, epoch, step, num_steps=10)
            rates.append(ema.model.weight.item())
    decays = [min(0.98, (1 + t) / (10 + t)) for t in range(120)]
    assert rates == pytest.approx([1 - decay for decay in decays], rel=1e-6)
