"""The steps of one epoch. Between two log lines nothing waits for the device."""

import contextlib
import math
import time
from collections.abc import Generator, Iterable

from torch import Tensor

from pycls.core import distributed
from pycls.core.stop_signals import Stopped
from pycls.datasets.loader import Batch
from pycls.engine.checkpointing import save
from pycls.engine.reporting.meters import Window
from pycls.engine.run import Run
from pycls.engine.step import seed_step
from pycls.losses import soft_targets


def train_epoch(run: Run, batches: Iterable[Batch]) -> bool:
    """Take a step on each batch; return True at the end of the epoch, False if a stop is requested before it."""
    cfg, state, steps = run.cfg, run.state, len(run.train_loader)
    run.set_train_mode()
    run.clock.start()
    run.train_loader.reset_wait()
    for batch in run.recorder.progress(batches, state):
        seed_step(cfg.RNG_SEED, state.epoch, state.step, distributed.rank())
        images, targets, labels = prepare(run, batch)
        loss, logits = run.stepper.step(images, targets, run.learning_rate(state.step))  # (), (N, K)
        if state.ema:
            state.ema.update(state.model, state.epoch, state.step, steps)
        run.meter.add(loss, logits, labels, len(batch.failures))
        state.step += 1
        run.saver.check()
        if state.step % cfg.LOG_PERIOD == 0 or state.step == steps:
            log_window(run)
        if state.step < steps and stop_or_save(run):
            break
    return state.step == steps


def remaining_batches(run: Run) -> Generator[Batch, None, None]:
    """Yield the batches of the epoch's remaining steps.

    A single process that is asked to stop waits for no more of them: a worker may hang. Several could not agree on it.
    """
    interrupt = run.stop.check if distributed.world_size() == 1 else None
    batches = run.train_loader.epoch(run.state.epoch, run.state.step, interrupt)
    with contextlib.closing(batches), contextlib.suppress(Stopped):
        yield from batches


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


def stop_or_save(run: Run) -> bool:
    """Tell whether a stop is requested; if not, save when it is time. Several processes agree on both."""
    if distributed.world_size() > 1 and run.state.step % run.cfg.LOG_PERIOD:
        return False  # agreeing costs a collective, so it is done once a log line
    if distributed.any_process(run.stop.requested):
        return True
    if _save_is_due(run):
        log_and_save(run)
    return False


def _save_is_due(run: Run) -> bool:
    minutes = run.cfg.TRAIN.CHECKPOINT_MINUTES
    return minutes > 0 and distributed.any_process(time.monotonic() - run.last_save > 60 * minutes)


def log_and_save(run: Run) -> None:
    """Log the steps since the last line and save: a loss that is not finite must not be saved over."""
    log_window(run)
    save(run)
