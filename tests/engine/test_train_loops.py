"""The training loops that are compared do the same work, and ours never waits for the device."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import rotation, time_limit
from benchmarks.rotation import Timed
from benchmarks.time_limit import TimeLimit
from benchmarks.training import case as train_case
from benchmarks.training.case import Case, OneBatch, OurLoop, synthetic_run
from benchmarks.training.peers import PEERS, PyclsLoop, TimmLoop, TorchvisionLoop
from benchmarks.training.verdicts import verdicts
from pycls.datasets.mix import Mixer
from pycls.engine.epoch import train_epoch
from tests.helpers.runs import TINY

NETWORK = {key: TINY[key] for key in TINY if key.startswith(("MODEL", "ANYNET"))} | {"MODEL.NUM_CLASSES": 10}


@pytest.fixture
def case(monkeypatch, tmp_path):
    monkeypatch.setitem(train_case.MODELS, "tiny", (NETWORK, "resnet18"))
    monkeypatch.setattr(train_case, "passing_folder", lambda: tmp_path)
    return Case("tiny", "fp32", "NCHW", "eager", "cpu", size=8, batch=12, log_period=1)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_all_loops_take_the_same_steps(case, optimizer, monkeypatch):
    monkeypatch.setitem(train_case.MODELS, "tiny", (NETWORK | {"OPTIM.OPTIMIZER": optimizer}, "resnet18"))
    ours = OurLoop(case, *case.data())
    start = weights(ours.model)
    peers = [build(case, *case.data()) for build in (PyclsLoop, TorchvisionLoop, TimmLoop)]
    for first, steps in ((0, 1), (1, 2)):
        for loop in (ours, *peers):
            loop.take(steps, first)
        assert all(loop.last_loss() == pytest.approx(ours.last_loss(), rel=1e-5) for loop in peers)
    moved = weights(ours.model) - start
    assert moved.norm() > 1e-3
    for loop in peers:
        assert (weights(loop.model) - start - moved).norm() < 1e-3 * moved.norm(), type(loop).__name__
    # torchvision's average begins as a copy of the weights at its first update, timm's is updated in every step.
    assert torch.allclose(weights(ours.run.state.ema.model), weights(peers[0].average), atol=1e-7)
    assert not torch.equal(weights(peers[0].average), weights(peers[0].model))


def test_timms_network_trains_too(case):
    loop = PEERS["timm's loop and network"](replace(case, size=32), *replace(case, size=32).data())
    loop.take(1)
    assert 1 < loop.last_loss() < 10


class Reads(TorchDispatchMode):
    """Counts reads of a tensor's value by the host, which on a GPU wait for the device."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        aten = torch.ops.aten
        reads = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten._to_copy)
        if func.overloadpacket is aten._to_copy:
            self.count += "device" in (kwargs or {})
        else:
            self.count += func.overloadpacket in reads
        return func(*args, **(kwargs or {}))


MIXERS = {
    "plain": None,
    "mixup": Mixer(0.2, 0.0, 1.0, 0.5, False, 1),
    "both, for each image": Mixer(0.2, 1.0, 0.9, 0.5, True, 1),
}


@pytest.mark.parametrize("name", MIXERS)
def test_an_iteration_never_reads_a_value(case, name, monkeypatch):
    add_clipping(monkeypatch)
    run, loader = ready_run(case, name)
    with Reads() as reads:
        train_epoch(run, loader.times(2))
    assert reads.count == 0 and run.meter.window_steps == 3
    with Reads() as reads:
        PyclsLoop(case, *case.data()).take(1)
    assert reads.count >= 4, "the counter counts: the labels, loss and both errors"


@pytest.mark.gpu
@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("number_format", ["bf16", "fp16"])
def test_an_iteration_never_waits_on_a_gpu(case, name, number_format, monkeypatch):
    add_clipping(monkeypatch)
    run, loader = ready_run(replace(case, device="cuda", format=number_format, layout="NHWC"), name)
    torch.cuda.set_sync_debug_mode("error")
    try:
        train_epoch(run, loader.times(3))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert np.isfinite(run.meter.read_window().losses).all()


def add_clipping(monkeypatch):
    words = NETWORK | {"OPTIM.GRAD_CLIP": 1.0, "OPTIM.ACCUM_STEPS": 2}
    monkeypatch.setitem(train_case.MODELS, "tiny", (words, "resnet18"))


def ready_run(case, mixer):
    """Return a run after its first step, in which the optimizer makes its state, and its loader."""
    case = replace(case, log_period=10)
    loader = OneBatch(*case.data())
    run = synthetic_run(case, loader)
    run.mixer, run.state.ema.update_period = MIXERS[mixer], 1
    train_epoch(run, loader.times(1))
    return run, loader


class Costly:
    """A loop whose first step takes 33 s, the others 1 s."""

    def __init__(self, clock):
        self.clock = clock

    def take(self, steps, start=0):
        self.clock.now += sum(33 if number == 0 else 1 for number in range(start, start + steps))


def test_a_block_has_the_speed_of_32_steps_with_one_average(case, monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(rotation, "time", clock)
    builds = {name: lambda case, images, labels: Costly(clock) for name in "AB"}
    for timed in rotation.time_loops(case, builds, steps=4, rounds=2, warmup=1).values():
        assert timed.rates == [case.batch * 32 / (33 + 31)] * 2 and timed.spread_pct == 0


def test_verdicts_compare_best_settings(case):
    def row(number_format, **rates):
        timed = {name: Timed([rate]) for name, rate in rates.items()}
        return SimpleNamespace(case=replace(case, model="ResNet-50", format=number_format), timed=timed)

    rows = [row("bf16", ours=120.0, timm=100.0), row("fp16", ours=90.0, timm=130.0)]
    bf16, all_formats = verdicts(rows, "ours")
    assert "met: 1.20 x" in bf16 and "MISSED: 0.92 x" in all_formats and "timm 130.0" in all_formats


def test_what_does_not_fit_is_left_out(monkeypatch):
    clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(time_limit, "time", clock)
    limit = TimeLimit(100)
    with limit.piece("eager"):
        clock.now += 40
    assert limit.fits("eager") and limit.fits("compiled")
    with limit.piece("compiled"):
        clock.now += 20
    assert limit.fits("compiled") and not limit.fits("eager")
