"""When and what a training run saves."""

import time
from pathlib import Path

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
    _write(run, last_path(run.cfg.OUT_DIR))


def save_epoch(run: Run, improved: bool) -> None:
    """Save a finished epoch under its own name, as `best` if it is, and as `last` (hard links, no copies).

    `last` comes last: after a crash in between, the epoch's end is done again and nothing is left out.
    """
    out_dir = run.cfg.OUT_DIR
    path = epoch_path(out_dir, run.state.epoch)
    _write(run, path)
    if distributed.is_main():
        if improved:
            link_checkpoint(path, best_path(out_dir))
        link_checkpoint(path, last_path(out_dir))
        prune_checkpoints(out_dir, run.cfg.TRAIN.KEEP)
    distributed.barrier()


def _write(run: Run, path: Path) -> None:
    run.last_save = time.monotonic()
    meter = run.meter.state()
    if distributed.any_process(not weights_are_finite(run.state)):
        where = f"epoch {run.state.epoch + 1}, step {run.state.step}"
        kept = f"the checkpoints in {run.cfg.OUT_DIR} are untouched"
        raise FloatingPointError(f"a weight is not finite after {where}; the state is not saved, {kept}")
    classes = run.train_loader.samples.classes
    packed = pack_state(run.state, run.cfg, meter, classes, pixel_contract(run.cfg))
    if distributed.is_main():
        save_checkpoint(packed, path)
