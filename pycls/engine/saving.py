"""When and what a training run saves."""

import time

from pycls.core import distributed
from pycls.core.checkpoint import (
    best_path,
    epoch_path,
    last_path,
    link_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from pycls.engine.run import Run
from pycls.engine.setup import pixel_contract
from pycls.engine.state import pack_state, weights_are_finite


def save(run: Run) -> None:
    """Save the whole state as `last`, on the main process; raise FloatingPointError if a weight is not finite."""
    run.last_save = time.monotonic()
    meter = run.meter.state()
    if not weights_are_finite(run.state):
        where = f"epoch {run.state.epoch + 1}, step {run.state.step}"
        kept = f"the checkpoints in {run.cfg.OUT_DIR} are untouched"
        raise FloatingPointError(f"a weight is not finite after {where}; the state is not saved, {kept}")
    if distributed.is_main():
        classes = run.train_loader.samples.classes
        saved = pack_state(run.state, run.cfg, meter, classes, pixel_contract(run.cfg))
        save_checkpoint(saved, last_path(run.cfg.OUT_DIR))


def save_epoch(run: Run, improved: bool) -> None:
    """Save a finished epoch: `last`, the epoch's own name and, if it is the best, `best` (hard links, no copies)."""
    save(run)
    if distributed.is_main():
        out_dir = run.cfg.OUT_DIR
        link_checkpoint(last_path(out_dir), epoch_path(out_dir, run.state.epoch))
        if improved:
            link_checkpoint(last_path(out_dir), best_path(out_dir))
        prune_checkpoints(out_dir, run.cfg.TRAIN.KEEP)
    distributed.barrier()
