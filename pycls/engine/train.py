"""Training: from a config to a trained network, safely.

To read from here to the network: `train`, `train_epoch` (epoch.py), `Stepper.step` and `_backward` (step.py).
"""

import contextlib
from collections.abc import Iterator

from torch import nn
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.checkpoint import checkpoint_dir
from pycls.core.logging import get_logger
from pycls.core.processes.unfinished import unfinished_run
from pycls.core.stop_signals import stop_on_signal
from pycls.core.weights.formats import score
from pycls.engine.checkpointing import finish_saving, save_epoch
from pycls.engine.checks import check_processes, check_supported
from pycls.engine.data.settle_data import settle_data
from pycls.engine.epoch import log_and_save, remaining_batches, train_epoch
from pycls.engine.evaluate import evaluate
from pycls.engine.network.fsdp import gathered
from pycls.engine.network.precise_bn import compute_precise_bn, num_precise_batches
from pycls.engine.profiling.memory_format import settle_layout
from pycls.engine.progressive_resizing import check_schedule, fit_im_size
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.image_predictions import Collector
from pycls.engine.reporting.mistakes import mistakes_and_example
from pycls.engine.reporting.result import Result
from pycls.engine.run import Run, build_run, resume
from pycls.engine.run_files import final_files
from pycls.engine.setup import run_processes, setup_process
from pycls.engine.state import check_network, evaluation_is_due
from pycls.engine.step import seed_step
from pycls.engine.weights_file import weights_file
from pycls.losses import build_loss

logger = get_logger(__name__)


def train(cfg: CfgNode) -> Result:
    """Train and evaluate a network on NUM_GPUS processes, or torchrun's; return the final figures and files.

    The run goes on from the newest checkpoint in OUT_DIR to OPTIM.MAX_EPOCH, or until a signal asks it to stop.
    """
    cfg = settle_data(cfg)
    if distributed.world_size() == 1:
        check_training(cfg)
        if distributed.requested_world_size(cfg.NUM_GPUS) > 1:
            return run_processes(cfg, train)  # each of them calls this function again, as one of a group
    with open_run(cfg) as run:
        test = None
        while run.state.epoch < cfg.OPTIM.MAX_EPOCH:
            fit_im_size(run)
            with contextlib.closing(remaining_batches(run)) as batches:
                finished = train_epoch(run, batches)
                log_and_save(run)  # evaluation can take minutes, and fail; so can closing, when a worker hangs
            if not finished or distributed.any_process(run.stop.requested):
                return stopped(run)
            test = end_epoch(run)
        # A finished run that is started again gives its figures and pictures once more; its last epoch may lack them.
        is_new = run.state.test_err is None
        test = test or evaluate_run(run, run.state.epoch - 1)
        if test is not None and is_new:
            save_epoch(run, test)
        return finish(run, test)


def check_training(cfg: CfgNode) -> None:
    """Raise ValueError for a config that could not be trained, before any data set is read."""
    check_supported(cfg)
    check_network(cfg)
    check_schedule(cfg)
    check_processes(cfg)
    if cfg.TRAIN.WEIGHTS and not checkpoint_dir(cfg.OUT_DIR).exists():
        weights_file(cfg.TRAIN.WEIGHTS, cfg.DOWNLOAD_CACHE, "TRAIN.WEIGHTS")


@contextlib.contextmanager
def open_run(cfg: CfgNode) -> Iterator[Run]:
    """Build and resume a run on this process, which alone writes to OUT_DIR; signals ask it to stop."""
    device = setup_process(cfg)
    with unfinished_run(cfg.OUT_DIR), stop_on_signal() as stop:
        cfg = settle_layout(cfg, device)
        with contextlib.closing(build_run(cfg, device, stop)) as run:
            resume(run)
            yield run


def end_epoch(run: Run) -> Evaluation | None:
    """Close an epoch: log it, precise BN, evaluate model and EMA if it is time, save; return the better evaluation."""
    state = run.state
    num_bad = run.recorder.train_epoch(state, run.meter, run.learning_rate(state.step - 1), run.clock)
    if num_bad:
        for failures in distributed.gather_objects(list(run.train_loader.bad.values())):
            run.train_loader.note_bad(failures)  # those of other processes are not in the log yet
    refresh_statistics(run)
    state.test_err = state.ema_err = state.test_loss = state.ema_loss = None  # as of an epoch that is not evaluated
    test = evaluate_run(run, state.epoch) if evaluation_is_due(run.cfg, state.epoch) else None
    run.meter.reset()
    state.epoch, state.step = state.epoch + 1, 0
    save_epoch(run, test)
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
            counted = run.recorder.count(count, "Batch norm statistics")
            images = (batch.images for _, batch in zip(counted, batches, strict=False))
            compute_precise_bn(models, images, cfg.TRAIN.FROZEN)
    for model in models:
        distributed.broadcast_buffers(model)


def evaluate_run(run: Run, epoch: int) -> Evaluation | None:
    """Evaluate the model and its EMA, log both, and return the better one (a tie: the model).

    What an epoch has figures of already is not recorded again. None where there are no test images.
    """
    if run.test_loader is None:
        return None
    state, ema, again = run.state, run.state.ema, run.state.test_err is not None
    test = best = run.recorder.evaluation("test_epoch", epoch, lambda: _evaluate(run, state.model, "test"), again)
    state.test_err, state.test_loss = test.top1_err, test.loss
    if ema is not None:
        ema_test = run.recorder.evaluation("test_ema_epoch", epoch, lambda: _evaluate(run, ema.model, "EMA"), again)
        state.ema_err, state.ema_loss = ema_test.top1_err, ema_test.loss
        best = min(test, ema_test, key=lambda found: score(found.top1_err, found.loss))
    run.recorder.end_evaluation(is_best=not again and state.is_best(best.top1_err, best.loss))
    return best


def _evaluate(run: Run, model: nn.Module, label: str) -> Evaluation:
    cfg = run.cfg
    is_last = run.state.epoch + 1 >= cfg.OPTIM.MAX_EPOCH  # of it the single images are of interest, too
    options = cfg.TEST.HFLIP, cfg.TEST.COMPILE, label, Collector() if is_last else None
    with gathered(model, cfg.FSDP.RESHARD_AFTER_FW):  # processes may have different numbers of batches
        return evaluate(model, run.known_test_loader, build_loss(cfg), run.precision, cfg.MODEL.NUM_CLASSES, *options)


def stopped(run: Run) -> Result:
    """Wait until the state is saved and return the figures of a run that was asked to stop."""
    finish_saving(run)
    state = run.state
    logger.info("Stopped in epoch %d after step %d, saved; the same command goes on", state.epoch + 1, state.step)
    return run.recorder.result(state, interrupted=True)


def finish(run: Run, test: Evaluation | None) -> Result:
    """Wait until the state is saved, write pictures and tables of a finished run, and return its figures."""
    finish_saving(run)
    files = final_files(run, test) if distributed.is_main() else []
    return run.recorder.result(run.state, test=test, files=files, **mistakes_and_example(test, run.test_samples))
