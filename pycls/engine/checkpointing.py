"""When and what a training run saves: a copy of the state is taken at once, and written while training goes on."""

import time
from collections.abc import Callable
from pathlib import Path

from pycls.core import distributed
from pycls.core.async_save import snapshot
from pycls.core.checkpoint import best_path, epoch_path, last_path, link_checkpoint, prune_checkpoints, save_checkpoint
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.run import Run
from pycls.engine.setup import pixel_contract
from pycls.engine.state import pack_state, weights_are_finite


def save(run: Run) -> None:
    """Begin to save the whole state as `last`; raise FloatingPointError if a weight is not finite."""
    _write(run, last_path(run.cfg.OUT_DIR))


def save_epoch(run: Run, test: Evaluation | None) -> None:
    """Begin to save a finished epoch under its own name, as `best` if it is, and as `last` (hard links, no copies).

    `test`: its evaluation, which decides what is best; without test images that is always the last.
    `last` comes last: after a crash in between, the epoch's end is done again and nothing is left out.
    """
    out_dir, keep, state = run.cfg.OUT_DIR, run.cfg.TRAIN.KEEP, run.state
    improved = run.test_loader is None
    if test is not None and state.is_best(test.top1_err, test.loss):
        improved, state.best_err, state.best_loss = True, test.top1_err, test.loss
    path = epoch_path(out_dir, state.epoch)

    def link() -> None:
        if improved:
            link_checkpoint(path, best_path(out_dir))
        link_checkpoint(path, last_path(out_dir))
        prune_checkpoints(out_dir, keep)

    _write(run, path, link)


def finish_saving(run: Run) -> None:
    """Wait until what was to be saved is, on every process; raise OSError if it could not be written."""
    run.saver.wait()
    distributed.barrier()


def _write(run: Run, path: Path, then: Callable[[], None] = lambda: None) -> None:
    """Hand a copy of the state to the main process's saver, which has one at a time; `then` follows when it is whole.

    An error of the one before is raised here, or after the step in which it arose.
    """
    run.last_save = time.monotonic()
    meter = run.meter.state()
    if distributed.any_process(not weights_are_finite(run.state)):
        where = f"epoch {run.state.epoch + 1}, step {run.state.step}"
        kept = f"the checkpoints in {run.cfg.OUT_DIR} are untouched"
        raise FloatingPointError(f"a weight is not finite after {where}; the state is not saved, {kept}")
    run.saver.wait()  # before the copy: there is never a second one
    classes = run.train_loader.samples.classes
    about = {"classes": list(classes), "pixels": pixel_contract(run.cfg), "data": run.data}
    packed = pack_state(run.state, run.cfg, meter, **about)
    if not distributed.is_main():
        return
    state = snapshot(packed)

    def write() -> None:
        save_checkpoint(state, path)
        then()

    run.saver.submit(write)
