"""TRAIN.COMPILE_MODE: what cannot be recorded as CUDA graphs is refused, and what can learns the same."""

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.datasets.mix import Mixer
from pycls.engine.checks import check_supported
from pycls.engine.network import compile as compile_module
from pycls.engine.network.compile import check_compile, compile_for_training
from pycls.losses import soft_targets
from tests.engine.test_step import stepper_of, weights
from tests.helpers.model_records import cfg_of
from tests.helpers.runs import tiny_cfg

GRAPHS = {"TRAIN.COMPILE": True, "TRAIN.COMPILE_MODE": "reduce-overhead"}


@pytest.mark.parametrize(
    ("keys", "device", "message"),
    [
        ({}, "cpu", r"cannot be combined with DEVICE cpu; use default or max-autotune-no-cudagraphs$"),
        ({"NUM_GPUS": 2}, "cuda", r"more than one process"),
        ({"OPTIM.ACCUM_STEPS": 2}, "cuda", r"OPTIM\.ACCUM_STEPS 2"),
        ({"OPTIM.SAM_RHO": 0.1}, "cuda", r"OPTIM\.SAM_RHO 0\.1"),
    ],
)
def test_what_cannot_be_recorded_is_refused(keys, device, message, monkeypatch):
    monkeypatch.setattr(compile_module, "pick_device", lambda name: torch.device(device))
    for mode in ("reduce-overhead", "max-autotune"):
        with pytest.raises(ValueError, match=rf"TRAIN\.COMPILE_MODE {mode} records CUDA graphs, .*{message}"):
            check_compile(cfg_of(GRAPHS | keys | {"TRAIN.COMPILE_MODE": mode}))
    check_compile(cfg_of(GRAPHS | keys | {"TRAIN.COMPILE_MODE": "max-autotune-no-cudagraphs"}))


def test_a_run_asks(tmp_path):
    with pytest.raises(ValueError, match=r"COMPILE_MODE reduce-overhead .* DEVICE cpu"):
        check_supported(tiny_cfg(tmp_path, TRAIN__COMPILE=True, TRAIN__COMPILE_MODE="reduce-overhead"))


def test_a_mode_needs_the_compiler():
    with pytest.raises(ValueError, match=r"COMPILE_MODE max-autotune does nothing without TRAIN\.COMPILE True"):
        load_cfg(None, ["TRAIN.COMPILE_MODE", "max-autotune"])
    with pytest.raises(ValueError, match=r"TRAIN\.COMPILE_MODE.*'reduce_overhead'.*did you mean 'reduce-overhead'"):
        load_cfg(None, ["TRAIN.COMPILE", "True", "TRAIN.COMPILE_MODE", "reduce_overhead"])


def train_few(device, keys):
    """Return weights and logits of the last of six steps on mixed batches."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5))
    net.to(device)
    called = compile_for_training(net, cfg_of(keys))
    stepper = stepper_of(net, wrapped=called)
    mixer = Mixer(0.8, 1.0, 1.0, 0.5, False, 0, compiled=bool(keys))
    for step in range(6):
        images = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(step)).to(device)
        targets = soft_targets(torch.arange(12, device=device) % 5, 5, 0.1)
        _, logits = stepper.step(*mixer(images, targets, 0, step, torch.arange(12).numpy()), lr=0.05)
    return weights(net), logits


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_it_learns_what_an_eager_network_learns(device):
    plain, recorded = train_few(device, {}), train_few(device, GRAPHS)
    torch.testing.assert_close(recorded, plain, rtol=1e-4, atol=1e-5)
