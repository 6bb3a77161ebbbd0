"""Training: from a config to a trained network, safely."""

import contextlib
from pathlib import Path

from torch import nn
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.checkpoint import checkpoint_dir
from pycls.core.locks import sole_run
from pycls.core.logging import get_logger
from pycls.core.stop_signals import Stopped, stop_on_signal
from pycls.engine.checkpointing import finish_saving, save, save_epoch
from pycls.engine.epoch import log_window, train_epoch
from pycls.engine.evaluate import Evaluation, evaluate, save_left_out, save_per_class, save_uncertainty
from pycls.engine.network.fsdp import gathered
from pycls.engine.network.precise_bn import compute_precise_bn, num_precise_batches
from pycls.engine.profiling.memory_format import settle_layout
from pycls.engine.progressive_resizing import check_schedule, fit_im_size
from pycls.engine.reporting.plots import plot_curves
from pycls.engine.reporting.result import Result
from pycls.engine.run import Run, build_run, resume
from pycls.engine.setup import check_supported, run_processes, setup_process
from pycls.engine.state import check_network
from pycls.engine.step import seed_step
from pycls.engine.weights_file import weights_file
from pycls.losses import build_loss

logger = get_logger(__name__)


def train(cfg: CfgNode) -> Result:
    """Train and evaluate a network on NUM_GPUS processes, or torchrun's; return the final figures and files."""
    check_supported(cfg)
    check_network(cfg)
    check_schedule(cfg)
    if cfg.TRAIN.WEIGHTS and not checkpoint_dir(cfg.OUT_DIR).exists():
        weights_file(cfg.TRAIN.WEIGHTS, cfg.DOWNLOAD_CACHE, "TRAIN.WEIGHTS")  # its errors, too, come before the data
    return run_processes(cfg, _train_process)


def _train_process(cfg: CfgNode) -> Result:
    device = setup_process(cfg)
    lock = sole_run(cfg.OUT_DIR) if distributed.is_main() else contextlib.nullcontext()
    with (
        lock,
        stop_on_signal() as stop,
        contextlib.closing(build_run(settle_layout(cfg, device), device, stop)) as run,
    ):
        resume(run)
        return train_epochs(run)


def train_epochs(run: Run) -> Result:
    """Train from the run's position to OPTIM.MAX_EPOCH, or until a stop is requested."""
    state, test = run.state, None
    while state.epoch < run.cfg.OPTIM.MAX_EPOCH:
        if not train_steps(run):
            finish_saving(run)
            logger.info(
                "Stopped in epoch %d after step %d, saved; the same command goes on", state.epoch + 1, state.step
            )
            return run.recorder.result(state, interrupted=True)
        test = end_epoch(run)
    finish_saving(run)
    if test is None:  # a finished run was started again: give its figures and pictures once more
        test = evaluate_run(run, state.epoch - 1, again=True)
    return finish(run, test)


def train_steps(run: Run) -> bool:
    """Take the epoch's remaining steps and save; return False if a stop was requested.

    A single process also stops while it waits for data: a worker may hang. Several could not agree on it.
    """
    fit_im_size(run)
    interrupt = run.stop.check if distributed.world_size() == 1 else None
    try:
        with contextlib.closing(run.train_loader.epoch(run.state.epoch, run.state.step, interrupt)) as batches:
            finished = train_epoch(run, batches)
    except Stopped:
        log_window(run)
        save(run)
        return False
    if finished:
        save(run)  # precise BN and evaluation can take minutes, and fail
    return finished and not distributed.any_process(run.stop.requested)


def end_epoch(run: Run) -> Evaluation:
    """Close an epoch: log it, precise BN, evaluate the model and its EMA, save; return the better evaluation."""
    state = run.state
    num_bad = run.recorder.train_epoch(state, run.meter, run.learning_rate(state.step - 1), run.clock)
    if num_bad:
        for failures in distributed.gather_objects(list(run.train_loader.bad.values())):
            run.train_loader.note_bad(failures)  # those of other processes are not in the log yet
    refresh_statistics(run)
    test = evaluate_run(run, state.epoch)
    run.meter.reset()
    state.epoch, state.step = state.epoch + 1, 0
    improved = test.top1_err < state.best_err
    state.best_err = min(test.top1_err, state.best_err)
    save_epoch(run, improved)
    return test


def refresh_statistics(run: Run) -> None:
    """Give the model and its EMA the batch norm statistics to evaluate.

    Precise ones over the first images of the epoch, or the main process's running ones.
    """
    cfg, state, loader = run.cfg, run.state, run.train_loader
    models = [state.model] + ([state.ema.model] if state.ema else [])
    if cfg.BN.USE_PRECISE_STATS:
        count = num_precise_batches(cfg.BN.NUM_SAMPLES_PRECISE, cfg.TRAIN.BATCH_SIZE, len(loader))
        seed_step(cfg.RNG_SEED, state.epoch, len(loader), distributed.rank())
        with contextlib.closing(loader.epoch(state.epoch)) as batches:
            images = (batch.images for _, batch in zip(range(count), batches, strict=False))
            compute_precise_bn(models, images, cfg.TRAIN.FROZEN)
    for model in models:
        distributed.broadcast_buffers(model)


def evaluate_run(run: Run, epoch: int, again: bool = False) -> Evaluation:
    """Evaluate the model and its EMA, log both, and return the one with the lower top-1 error (a tie: the model).

    `again`: the epoch has its records already.
    """
    state = run.state
    test = run.recorder.evaluation("test_epoch", epoch, lambda: _evaluate(run, state.model), again)
    state.test_err = test.top1_err
    if state.ema is None:
        return test
    ema = run.recorder.evaluation("test_ema_epoch", epoch, lambda: _evaluate(run, state.ema.model), again)
    state.ema_err = ema.top1_err
    return ema if ema.top1_err < test.top1_err else test


def _evaluate(run: Run, model: nn.Module) -> Evaluation:
    cfg = run.cfg
    flags = cfg.TEST.HFLIP, cfg.TEST.COMPILE
    with gathered(model, cfg.FSDP.RESHARD_AFTER_FW):  # processes may have different numbers of batches
        return evaluate(model, run.test_loader, build_loss(cfg), run.precision, cfg.MODEL.NUM_CLASSES, *flags)


def finish(run: Run, test: Evaluation) -> Result:
    """Write the pictures and tables of a finished run and return its figures."""
    out_dir, files = Path(run.cfg.OUT_DIR), []
    if distributed.is_main():
        plot_curves(run.recorder.records(), out_dir / "curves.png")
        files = [out_dir / "curves.png", *save_per_class(test, run.test_loader.samples.classes, out_dir, "test")]
        files += save_uncertainty(test, out_dir, "test")
        files += save_left_out(test, run.test_loader.samples, out_dir, "test")
    return run.recorder.result(run.state, test=test, files=files)
