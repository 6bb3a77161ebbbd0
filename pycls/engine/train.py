"""Training: from a config to a trained network, safely."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.checkpoint import (
    best_path,
    epoch_path,
    last_path,
    link_checkpoint,
    load_newest,
    load_weights,
    prune_checkpoints,
    save_checkpoint,
)
from pycls.core.logging import get_logger
from pycls.datasets import build_loader
from pycls.datasets.loader import Batch, Loader
from pycls.engine.classes import check_classes
from pycls.engine.evaluate import Evaluation, evaluate, save_per_class
from pycls.engine.meters import Clock, TrainMeter, Window
from pycls.engine.plots import plot_curves
from pycls.engine.precise_bn import compute_precise_bn, num_precise_batches
from pycls.engine.precision import Precision, pick_precision
from pycls.engine.recorder import Recorder
from pycls.engine.result import Result
from pycls.engine.setup import check_ranks_agree, check_supported, pixel_contract, run_processes, setup_process
from pycls.engine.signals import StopRequest, stop_on_signal
from pycls.engine.state import TrainState, build_state, unpack_state, pack_state, weights_are_finite
from pycls.engine.step import Stepper, seed_step
from pycls.losses import build_loss, soft_targets
from pycls.optim import build_lr_policy

logger = get_logger(__name__)


def train(cfg: CfgNode) -> Result:
    """Train and evaluate a network as `cfg` says, on NUM_GPUS processes or torchrun's; return the final figures and files."""
    check_supported(cfg)
    return run_processes(cfg, _train_process)


@dataclass
class Run:
    """What the training functions share: the parts built from the config."""

    cfg: CfgNode
    state: TrainState
    stepper: Stepper
    precision: Precision
    train_loader: Loader
    test_loader: Loader
    lr_policy: Callable[[float], float]
    meter: TrainMeter
    recorder: Recorder
    stop: StopRequest
    clock: Clock
    last_save: float = field(default_factory=time.monotonic)


def _train_process(cfg: CfgNode) -> Result:
    device = setup_process(cfg)
    with stop_on_signal() as stop, contextlib.ExitStack() as cleanup:
        run = build_run(cfg, device, stop)
        cleanup.callback(run.recorder.close)
        cleanup.callback(run.train_loader.close)
        cleanup.callback(run.test_loader.close)
        resume(run)
        return _train_epochs(run)


def build_run(cfg: CfgNode, device: torch.device, stop: StopRequest) -> Run:
    """Build every part of a training run; the same on all processes."""
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    train_loader = build_loader(cfg, "train", device)
    test_loader = build_loader(cfg, "test", device)
    check_ranks_agree(cfg, len(train_loader.samples), len(test_loader.samples))
    state = build_state(cfg, device, precision.scaler())
    net = wrap_network(cfg, state.model, device)
    loss_fn, optim = build_loss(cfg), cfg.OPTIM
    stepper = Stepper(net, loss_fn, state.optimizer, state.scaler, precision, optim.ACCUM_STEPS, optim.GRAD_CLIP)
    meter = TrainMeter(cfg.LOG_PERIOD, cfg.TRAIN.BATCH_SIZE, device)
    recorder = Recorder(cfg, device, len(train_loader))
    clock = Clock(cfg.TRAIN.BATCH_SIZE)
    policy = build_lr_policy(cfg)
    return Run(cfg, state, stepper, precision, train_loader, test_loader, policy, meter, recorder, stop, clock)


def wrap_network(cfg: CfgNode, model: nn.Module, device: torch.device) -> nn.Module:
    """Return the network as training calls it: distributed, compiled; the weights are shared with `model`."""
    if distributed.world_size() > 1:
        device_ids = [device.index] if device.type == "cuda" else None
        model = DistributedDataParallel(model, device_ids=device_ids, gradient_as_bucket_view=True)
    return torch.compile(model) if cfg.TRAIN.COMPILE else model


def resume(run: Run) -> None:
    """Continue from the newest readable checkpoint of OUT_DIR, or start from TRAIN.WEIGHTS, or from scratch."""
    cfg, state = run.cfg, run.state
    newest = load_newest(cfg.OUT_DIR)
    if newest and not cfg.TRAIN.AUTO_RESUME:
        raise ValueError(f"OUT_DIR {cfg.OUT_DIR} already holds a run ({newest[1]}); choose another, or set TRAIN.AUTO_RESUME True")
    if newest:
        saved, path = newest
        unpack_state(state, saved, cfg, str(path))
        check_classes(saved["classes"], run.train_loader.samples.classes, str(path))
        run.meter.load_state(saved["meter"])
        logger.info("Resumed from %s: epoch %d of %d, step %d", path, state.epoch + 1, cfg.OPTIM.MAX_EPOCH, state.step)
    elif cfg.TRAIN.WEIGHTS:
        logger.info("%s: %s", cfg.TRAIN.WEIGHTS, load_weights(state.model, cfg.TRAIN.WEIGHTS))
        if state.ema:
            state.ema.model.load_state_dict(state.model.state_dict())
    run.recorder.resume_at(state.epoch, state.step)


def _train_epochs(run: Run) -> Result:
    state, max_epoch = run.state, run.cfg.OPTIM.MAX_EPOCH
    test = None
    while state.epoch < max_epoch:
        batches = run.train_loader.epoch(state.epoch, state.step)
        with contextlib.closing(batches):
            finished = train_epoch(run, batches)
        if not finished:
            save(run)
            logger.info("Stopped by signal %s after epoch %d, step %d; the same command goes on from there",
                        run.stop.number or "on another process", state.epoch + 1, state.step)
            return run.recorder.result(state, interrupted=True)
        test = end_epoch(run)
    if test is None:  # a finished run was started again: give its figures and pictures once more
        test = evaluate_run(run, run.state.epoch - 1)
    return finish(run, test)


def train_epoch(run: Run, batches: Iterable[Batch]) -> bool:
    """Take the remaining steps of the current epoch; return False if a stop was requested before its end."""
    cfg, state, steps = run.cfg, run.state, len(run.train_loader)
    run.stepper.net.train()
    run.clock.start()
    for batch in run.recorder.progress(batches, state):
        epoch, step = state.epoch, state.step
        seed_step(cfg.RNG_SEED, epoch, step, distributed.rank())
        targets = soft_targets(batch.labels, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.LABEL_SMOOTHING, batch.images.dtype)
        loss, logits = run.stepper.step(batch.images, targets, learning_rate(run, step))
        if state.ema:
            state.ema.update(state.model, epoch, step)
        run.meter.add(loss, logits, batch.labels)
        state.step += 1
        if state.step % cfg.LOG_PERIOD == 0 or state.step == steps:
            log_window(run)
        if state.step < steps and _save_or_stop(run):
            return False
    return True


def learning_rate(run: Run, step: int) -> float:
    """Return the learning rate of a step of the current epoch."""
    fraction = step / len(run.train_loader) if run.cfg.OPTIM.LR_PER_ITER else 0.0
    return run.lr_policy(run.state.epoch + fraction)


def log_window(run: Run) -> None:
    """Read the meter (the only point where the host waits for the device), check the losses and log a line."""
    if run.meter.window_steps == 0:
        return
    first, lr = run.state.step - run.meter.window_steps, learning_rate(run, run.state.step - 1)
    window = run.meter.read_window()
    _check_finite(run, window, first, lr)
    seconds = run.clock.lap(len(window.losses))
    run.recorder.train_iter(run.state, window, lr, run.clock, seconds, run.train_loader.reset_wait())


def _check_finite(run: Run, window: Window, first_step: int, lr: float) -> None:
    bad = next((i for i, loss in enumerate(window.losses) if not math.isfinite(loss)), None)
    if bad is None:
        return
    step, loader, epoch = first_step + bad, run.train_loader, run.state.epoch
    indices = loader.index_batches(epoch, step)[0]
    names = ", ".join(loader.samples.name(int(i)) for i in indices)
    raise FloatingPointError(
        f"loss is {window.losses[bad]} at epoch {epoch + 1}, step {step + 1} of {len(loader)}, learning rate {lr:.6g}; "
        f"checkpoints in {run.cfg.OUT_DIR} are untouched; files of this batch: {names}"
    )


def _save_or_stop(run: Run) -> bool:
    """Save inside an epoch when it is time; return True when a stop was requested. Several processes agree first."""
    alone, due = distributed.world_size() == 1, run.state.step % run.cfg.LOG_PERIOD == 0
    if not alone and not due:
        return False
    if distributed.any_process(run.stop.requested):
        return True
    minutes = run.cfg.TRAIN.CHECKPOINT_MINUTES
    if minutes and distributed.any_process(time.monotonic() - run.last_save > 60 * minutes):
        save(run)
    return False


def end_epoch(run: Run) -> Evaluation:
    """Close an epoch: log it, precise BN, evaluate the model and its EMA, save; return the better evaluation."""
    state, cfg = run.state, run.cfg
    epoch = state.epoch
    run.recorder.train_epoch(state, run.meter, learning_rate(run, state.step - 1), run.clock)
    refresh_statistics(run, epoch)
    test = evaluate_run(run, epoch)
    run.meter.reset()
    state.epoch, state.step = epoch + 1, 0
    improved = test.top1_err < state.best_err
    state.best_err = min(test.top1_err, state.best_err)
    save(run)
    if distributed.is_main():
        _file_epoch(run, improved)
    distributed.barrier()
    return test


def refresh_statistics(run: Run, epoch: int) -> None:
    """Give the model and its EMA the batch norm statistics to evaluate: precise ones, or the main process's running ones."""
    cfg, models = run.cfg, [run.state.model] + ([run.state.ema.model] if run.state.ema else [])
    if cfg.BN.USE_PRECISE_STATS:
        loader = run.train_loader
        count = num_precise_batches(cfg.BN.NUM_SAMPLES_PRECISE, cfg.TRAIN.BATCH_SIZE, len(loader))
        seed_step(cfg.RNG_SEED, epoch, len(loader), distributed.rank())
        with contextlib.closing(loader.epoch(epoch)) as batches:
            compute_precise_bn(models, (batch.images for batch, _ in zip(batches, range(count), strict=False)))
    for model in models:
        distributed.broadcast_buffers(model)


def evaluate_run(run: Run, epoch: int) -> Evaluation:
    """Evaluate the model and its EMA, log both, and return the one with the lower top-1 error (the model's on a tie)."""
    state, arguments = run.state, (run.test_loader, run.stepper.loss_fn, run.precision, run.cfg.MODEL.NUM_CLASSES)
    test = run.recorder.evaluation("test_epoch", epoch, lambda: evaluate(state.model, *arguments))
    state.test_err = test.top1_err
    if state.ema is None:
        return test
    ema = run.recorder.evaluation("test_ema_epoch", epoch, lambda: evaluate(state.ema.model, *arguments))
    state.ema_err = ema.top1_err
    return ema if ema.top1_err < test.top1_err else test


def save(run: Run) -> None:
    """Save the whole state to `last`, on the main process; weights that are not finite raise instead."""
    log_window(run)
    run.last_save = time.monotonic()
    meter = run.meter.state()
    if not weights_are_finite(run.state):
        where = f"epoch {run.state.epoch + 1}, step {run.state.step}"
        raise FloatingPointError(f"a weight is not finite after {where}; not saved, the checkpoints in {run.cfg.OUT_DIR} are untouched")
    if distributed.is_main():
        samples = run.train_loader.samples
        saved = pack_state(run.state, run.cfg, meter, samples.classes, pixel_contract(run.cfg))
        save_checkpoint(saved, last_path(run.cfg.OUT_DIR))


def _file_epoch(run: Run, improved: bool) -> None:
    """Keep the saved state under its epoch's name, and as `best` when it is (hard links, no second copy)."""
    out_dir = run.cfg.OUT_DIR
    link_checkpoint(last_path(out_dir), epoch_path(out_dir, run.state.epoch))
    if improved:
        link_checkpoint(last_path(out_dir), best_path(out_dir))
    prune_checkpoints(out_dir, run.cfg.TRAIN.KEEP)


def finish(run: Run, test: Evaluation) -> Result:
    """Write the pictures and tables of a finished run and return its figures."""
    out_dir = Path(run.cfg.OUT_DIR)
    files: list[Path] = []
    if distributed.is_main():
        plot_curves(run.recorder.records(), out_dir / "curves.png")
        files = [out_dir / "curves.png", *save_per_class(test, run.test_loader.samples.classes, out_dir, "test")]
    return run.recorder.result(run.state, test=test, files=files)
