"""The training functions retrace pycls's recorded trajectories: losses, errors, weights, EMA, precise BN, schedules."""

import json

import pytest
import torch

from pycls.core.stop_signals import StopRequest
from pycls.datasets.loader import Batch
from pycls.engine.epoch import train_epoch
from pycls.engine.network.precision import Precision
from pycls.engine.recorder import Recorder
from pycls.engine.reporting.meters import Clock, TrainMeter
from pycls.engine.run import Run, build_stepper
from pycls.engine.state import build_ema, build_state
from pycls.engine.train import end_epoch
from pycls.optim import build_lr_policy
from tests.helpers.model_records import cfg_of
from tests.helpers.parity_fill import fill_, make_input
from tests.helpers.paths import RECORDS

RUNS = json.loads((RECORDS / "pycls_train_parity.json").read_text())["runs"]


class RecordedSamples:
    """As many samples as the recorded batches hold."""

    classes = tuple("0123456789")

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


class RecordedLoader:
    """The recorded batches: images by seed, labels (i + j) % 10."""

    def __init__(self, num_batches, first_seed, dtype):
        self.num_batches, self.first_seed, self.dtype = num_batches, first_seed, dtype
        self.samples = RecordedSamples(num_batches * 8)

    def __len__(self):
        return self.num_batches

    def epoch(self, epoch, start_step=0):
        for i in range(start_step, self.num_batches):
            images = make_input((8, 3, 16, 16), self.first_seed + i).to(self.dtype)
            yield Batch(images, (i + torch.arange(8)) % 10, torch.arange(8))

    def reset_wait(self):
        return 0.0


def recorded_run(record, dtype, out_dir):
    keys = {"OUT_DIR": out_dir, "DEVICE": "cpu", "LOG.TENSORBOARD": "off", "TRAIN.DATASET": "imagenet"}
    cfg = cfg_of(record["cfg_over_defaults"] | keys)
    device = torch.device("cpu")
    precision = Precision(device)
    state = build_state(cfg, device, precision.scaler())
    fill_(state.model)
    state.ema = build_ema(cfg, state.model)
    num_test = round(len(record["epochs"][0]["iters"]) / 2)
    recorder = Recorder(cfg, device, 6)
    recorder.resume_at(0, 0)
    return Run(
        cfg=cfg,
        state=state,
        stepper=build_stepper(cfg, state, precision),
        precision=precision,
        train_loader=RecordedLoader(6, 1000, dtype),
        test_loader=RecordedLoader(num_test, 2000, dtype),
        lr_policy=build_lr_policy(cfg),
        meter=TrainMeter(cfg.LOG_PERIOD, 8, device),
        recorder=recorder,
        stop=StopRequest(),
        clock=Clock(8),
    )


@pytest.fixture
def default_dtype():
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", RUNS)
def test_trajectory(name, tmp_path, default_dtype):
    record, dtype = RUNS[name], getattr(torch, name.rsplit("_", 1)[1])
    rel = 1e-6 if dtype == torch.float64 else 2e-4
    default_dtype(dtype)
    run = recorded_run(record, dtype, tmp_path)
    losses = record_losses(run)
    for number, epoch in enumerate(record["epochs"]):
        assert train_epoch(run, run.train_loader.epoch(number))
        before = run.state.model.state_dict()
        for key, value in epoch["abs_sum_before_precise_bn"].items():
            assert before[key].abs().sum().item() == pytest.approx(value, rel=rel), key
        end_epoch(run)
        expected = [row["loss"] for row in epoch["iters"]]
        assert [loss for loss, _ in losses] == pytest.approx(expected, rel=rel)
        assert [lr for _, lr in losses] == pytest.approx([row["lr"] for row in epoch["iters"]], rel=1e-12)
        losses.clear()
        check_sums(run.state.model, epoch["model_abs_sum"], rel)
        check_sums(run.state.ema.model, epoch["ema_abs_sum"], rel)
        assert run.state.model.state_dict()["stem.bn.num_batches_tracked"] == epoch["num_batches_tracked"]
        assert run.state.test_err == pytest.approx(epoch["test"]["top1_err"])
        assert run.state.ema_err == pytest.approx(epoch["test_ema"]["top1_err"])
    check_records(run.recorder.records(), record["epochs"])
    check_final_logits(run, record, dtype, rel)
    sizes = [len(group["params"]) for group in run.state.optimizer.param_groups]
    assert sizes == record["optimizer_group_sizes"]


def record_losses(run):
    """Note loss and learning rate of every step as the stepper returns them."""
    taken, original = [], type(run.stepper).step

    def step(images, targets, lr):
        loss, logits = original(run.stepper, images, targets, lr)
        taken.append((loss.item(), lr))
        return loss, logits

    object.__setattr__(run.stepper, "step", step)
    return taken


def check_sums(model, sums, rel):
    state = model.state_dict()
    for key, value in sums.items():
        assert state[key].abs().sum().item() == pytest.approx(value, rel=rel), key


def check_records(records, epochs):
    tests = [r for r in records if r["_type"] == "test_epoch"]
    for ours, epoch in zip(tests, epochs, strict=True):
        for key, value in epoch["test"].items():
            assert ours[key] == pytest.approx(value), key
    for number, epoch in enumerate(epochs):
        lines = [r for r in records if r["_type"] == "train_epoch" and r["epoch"].startswith(f"{number + 1}/")]
        mean = sum(row["top1_err"] for row in epoch["iters"]) / len(epoch["iters"])
        assert lines[0]["top1_err"] == pytest.approx(mean)


def check_final_logits(run, record, dtype, rel):
    images = make_input((2, 3, 16, 16), 3000).to(dtype)
    for model, key in ((run.state.model, "final_logits"), (run.state.ema.model, "final_logits_ema")):
        expected = torch.tensor(record[key])
        with torch.no_grad():
            difference = (model.eval()(images) - expected).abs().max() / expected.abs().max()
        assert difference < rel, key
