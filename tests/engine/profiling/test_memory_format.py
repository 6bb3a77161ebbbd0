"""TRAIN.CHANNELS_LAST auto takes the faster layout, keeps it, and is the same run as the layout set by hand."""

import os
import signal

import pytest
import torch

from pycls.core import distributed
from pycls.core.checkpoint import last_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.core.weights.files import load_tensor_file
from pycls.engine import train
from pycls.engine.profiling import _as_measured, memory_format
from pycls.engine.profiling.memory_format import faster_layout, settle_layout
from pycls.engine.step import Stepper
from pycls.engine.test import load_model
from tests.engine.test_resume import same
from tests.helpers.runs import tiny_cfg

CPU = torch.device("cpu")


class Timer:
    """A clock that only training steps move on, by the seconds given for each layout."""

    def __init__(self, monkeypatch, contiguous, channels_last):
        self.now, self.steps = 0.0, {False: 0, True: 0}
        step, seconds = Stepper.step, {False: contiguous, True: channels_last}

        def timed_step(stepper, images, targets, lr):
            is_last = images.is_contiguous(memory_format=torch.channels_last)
            self.steps[is_last], self.now = self.steps[is_last] + 1, self.now + seconds[is_last]
            return step(stepper, images, targets, lr)

        monkeypatch.setattr(Stepper, "step", timed_step)
        monkeypatch.setattr(memory_format, "perf_counter", lambda: self.now)


@pytest.mark.parametrize(
    ("contiguous", "channels_last", "chosen", "steps"),
    [(0.03, 0.02, True, 8), (0.02, 0.03, False, 8), (0.02, 0.0199, False, 8), (3.0, 2.5, True, 2)],
    ids=["faster", "slower", "not worth it", "so slow that two steps must do"],
)
def test_the_choice_follows_the_clock(tmp_path, monkeypatch, caplog, contiguous, channels_last, chosen, steps):
    timer, before = Timer(monkeypatch, contiguous, channels_last), torch.get_rng_state()
    with caplog.at_level("INFO", "pycls"):
        assert faster_layout(tiny_cfg(tmp_path), CPU) is chosen
    assert timer.steps == {False: steps, True: steps}
    assert f"auto: {chosen}; a step of 96 images takes {1000 * contiguous:.1f} ms contiguous" in caplog.text
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_the_run_of_that_layout_and_keeps_it_when_resumed(tmp_path, monkeypatch):
    by_hand, auto = tmp_path / "hand", tmp_path / "auto"
    train(tiny_cfg(by_hand, TRAIN__CHANNELS_LAST=True))
    cfg, taken = tiny_cfg(auto, TRAIN__CHANNELS_LAST="auto"), []
    with monkeypatch.context() as patch:
        Timer(patch, 0.03, 0.02)
        step = Stepper.step

        def stopped_step(stepper, images, targets, lr):
            taken.append(lr)
            if len([lr for lr in taken if lr]) == 4:  # measured at 0
                os.kill(os.getpid(), signal.SIGUSR1)
            return step(stepper, images, targets, lr)

        patch.setattr(Stepper, "step", stopped_step)
        assert train(cfg).interrupted
    Timer(monkeypatch, 0.02, 0.03)  # from now on the other one is faster
    train(cfg)
    found, expected = (load_checkpoint(last_path(folder)) for folder in (auto, by_hand))
    same(found | {"cfg": ""}, expected | {"cfg": ""})
    assert load_cfg(str(auto / "config.yaml")).TRAIN.CHANNELS_LAST is True
    log = (auto / "stdout.log").read_text()
    assert "auto: True; a step of" in log and "auto: True, as in" in log and "auto: False" not in log
    for name, wanted in (("auto", True), (False, False)):  # evaluation takes the layout of the file
        model = load_model(
            tiny_cfg(auto, TRAIN__CHANNELS_LAST=name), last_path(auto), load_tensor_file(last_path(auto))
        )
        weight = next(weight for weight in model.parameters() if weight.dim() == 4 and weight.shape[2] > 1)
        assert weight.is_contiguous(memory_format=torch.channels_last) is wanted


def test_the_main_process_decides_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "is_main", lambda: False)
    monkeypatch.setattr(distributed, "gather_objects", lambda mine: [True, mine])
    cfg = settle_layout(tiny_cfg(tmp_path, TRAIN__CHANNELS_LAST="auto"), CPU)
    assert cfg.TRAIN.CHANNELS_LAST is True and cfg.is_frozen()


@pytest.mark.parametrize(("channels_last_ms", "chosen"), [(1.0, True), (3.0, False), (None, False)])
def test_timing_goes_on_with_what_it_found_faster(tmp_path, channels_last_ms, chosen):
    rows = [("fp32", "contiguous", 2.0), ("bf16", "channels_last", 0.1)]
    rows += [("fp32", "channels_last", channels_last_ms)] if channels_last_ms else []  # None: no memory for it
    rows = [dict(zip(("format", "layout", "train_step_ms"), row, strict=True)) for row in rows]
    assert _as_measured(tiny_cfg(tmp_path, TRAIN__CHANNELS_LAST="auto"), CPU, rows).TRAIN.CHANNELS_LAST is chosen
