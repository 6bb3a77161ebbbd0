"""One epoch of training steps."""

import math
import time
from collections.abc import Iterable

from torch import Tensor

from pycls.core import distributed
from pycls.datasets.loader import Batch
from pycls.engine.checkpointing import save
from pycls.engine.reporting.meters import Window
from pycls.engine.run import Run
from pycls.engine.step import seed_step
from pycls.losses import soft_targets


def train_epoch(run: Run, batches: Iterable[Batch]) -> bool:
    """Take the remaining steps of the current epoch; return False if a stop was requested before its end."""
    cfg, state, steps = run.cfg, run.state, len(run.train_loader)
    run.set_train_mode()
    run.clock.start()
    run.train_loader.reset_wait()
    for batch in run.recorder.progress(batches, state):
        train_step(run, batch)
        run.saver.check()
        if state.step % cfg.LOG_PERIOD == 0 or state.step == steps:
            log_window(run)
        if state.step < steps and save_or_stop(run):
            return False
    return True


def train_step(run: Run, batch: Batch) -> None:
    """Take one step and note its loss and errors, without waiting for the device."""
    state, step = run.state, run.state.step
    seed_step(run.cfg.RNG_SEED, state.epoch, step, distributed.rank())
    images, targets, labels = prepare(run, batch)
    loss, logits = run.stepper.step(images, targets, run.learning_rate(step))  # (), (N, K)
    if state.ema:
        state.ema.update(state.model, state.epoch, step, len(run.train_loader))
    run.meter.add(loss, logits, labels, len(batch.failures))
    state.step += 1


def prepare(run: Run, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return images (N, 3, S, S), targets (N, K) and labels (N,), of mixed images that of the larger share."""
    cfg, state = run.cfg, run.state
    targets = soft_targets(batch.labels, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.LABEL_SMOOTHING, batch.images.dtype)
    if run.mixer is None:
        return batch.images, targets, batch.labels
    images, targets = run.mixer(batch.images, targets, state.epoch, state.step, batch.indices.numpy())
    return images, targets, targets.argmax(dim=1)


def log_window(run: Run) -> None:
    """Read the meter (the only point where the host waits for the device), check the losses and log a line."""
    if run.meter.window_steps == 0:
        return
    first_step = run.state.step - run.meter.window_steps
    window = run.meter.read_window()
    check_finite(run, window, first_step)
    seconds = run.clock.lap(len(window.losses))
    lr = run.learning_rate(run.state.step - 1)
    run.recorder.train_iter(run.state, window, lr, run.clock, seconds, run.train_loader.reset_wait())


def check_finite(run: Run, window: Window, first_step: int) -> None:
    """Raise FloatingPointError naming step, learning rate and files if a loss of the window is not finite."""
    bad = next((i for i, loss in enumerate(window.losses) if not math.isfinite(loss)), None)
    if bad is None:
        return
    step, loader, epoch = first_step + bad, run.train_loader, run.state.epoch
    own = [] if math.isfinite(window.own_losses[bad]) else loader.names(epoch, step)
    names = ", ".join(name for names in distributed.gather_objects(own) for name in names)
    raise FloatingPointError(
        f"loss is {window.losses[bad]} at epoch {epoch + 1}, step {step + 1} of {len(loader)}, "
        f"learning rate {run.learning_rate(step):.6g}; the checkpoints in {run.cfg.OUT_DIR} are untouched; "
        f"files of the batch: {names}"
    )


def save_or_stop(run: Run) -> bool:
    """Save inside an epoch when a stop is requested (return True) or it is time; several processes agree first."""
    if distributed.world_size() > 1 and run.state.step % run.cfg.LOG_PERIOD:
        return False  # agreeing costs a collective, so it is done once a log line
    stop = distributed.any_process(run.stop.requested)
    if stop or _save_is_due(run):
        log_window(run)  # a loss that is not finite must not be saved over
        save(run)
    return stop


def _save_is_due(run: Run) -> bool:
    minutes = run.cfg.TRAIN.CHECKPOINT_MINUTES
    return minutes > 0 and distributed.any_process(time.monotonic() - run.last_save > 60 * minutes)
