"""From a checkpoint to the state of a run: checked part by part, put back as a whole."""

import math
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.checkpoint import Newest, load_newest
from pycls.core.dtensor import load_whole
from pycls.core.weights.parts import UnreadableFile
from pycls.core.weights.usable import num_bytes
from pycls.engine.restoring.optimizer_state import check_optimizer, load_optimizer
from pycls.engine.restoring.parts import check_parts
from pycls.engine.restoring.same_run import check_same_run
from pycls.engine.restoring.tensors import check_tensors
from pycls.engine.state import TrainState
from pycls.optim.state_shapes import Entries, kept_entries


def newest_state(state: TrainState, cfg: CfgNode, data: dict[str, list[int]], num_steps: int) -> Newest | None:
    """Return the newest checkpoint of OUT_DIR that `unpack_state` can put back; None for a fresh run.

    `data`: of which images the run is (identity.py); `num_steps`: the steps of an epoch. A checkpoint that is damaged
    or lacks a part is passed over; ValueError if none is left, and for one of another run.
    """

    def accept(saved: dict[str, Any], path: Path) -> None:
        check_saved(saved, state, cfg, data, num_steps, str(path))

    return load_newest(cfg.OUT_DIR, accept, lambda: num_bytes(state.model))


def check_saved(
    saved: dict[str, Any], state: TrainState, cfg: CfgNode, data: dict[str, list[int]], num_steps: int, where: str
) -> None:
    """Raise UnreadableFile unless a checkpoint has all that a run goes on with; ValueError for one of another run."""
    old = check_parts(saved, where)
    check_same_run(old, cfg, saved["position"]["epoch"], where)
    _check_step(saved, data, num_steps, where)
    _check_networks(state, saved, old, where)
    kept = kept_entries(old, state.optimizer)
    check_optimizer(saved["optimizer_state"], state.optimizer, kept, f"{where}: optimizer_state")


def _check_step(saved: dict[str, Any], data: dict[str, list[int]], num_steps: int, where: str) -> None:
    """Raise UnreadableFile for a step that an epoch of these images does not have; others are told later."""
    step, same_images = saved["position"]["step"], saved.get("data", data)["training"] == data["training"]
    if step > num_steps and same_images:
        raise UnreadableFile(f"{where}: position is step {step}, an epoch has {num_steps}")


def _check_networks(state: TrainState, saved: dict[str, Any], old: CfgNode, where: str) -> None:
    check_tensors(saved["model_state"], state.model.state_dict(), f"{where}: model_state")
    ema_state, period = saved["ema_state"], old.OPTIM.EMA_UPDATE_PERIOD
    if (period > 0) != (ema_state is not None):
        there = "is None" if period else "is there"
        raise UnreadableFile(f"{where}: ema_state {there}, its run had OPTIM.EMA_UPDATE_PERIOD {period}")
    if ema_state is not None:
        check_tensors(ema_state, state.model.state_dict(), f"{where}: ema_state")


def unpack_state(state: TrainState, saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Put back a checkpoint that `newest_state` has found; ValueError where the config asks for more than it holds."""
    if state.ema is not None and saved["ema_state"] is None:
        raise ValueError(f"{where}: was saved without an EMA model; set OPTIM.EMA_UPDATE_PERIOD 0 to continue it")
    load_whole(state.model, saved["model_state"])
    if state.ema is not None:
        load_whole(state.ema.model, saved["ema_state"])
    needed: list[Entries] = kept_entries(cfg, state.optimizer)[0]
    load_optimizer(state.optimizer, saved["optimizer_state"], needed)
    if saved["scaler_state"]:
        state.scaler.load_state_dict(saved["scaler_state"])
    state.epoch, state.step = saved["position"]["epoch"], saved["position"]["step"]
    state.best_err, state.test_err, state.ema_err = saved["best_err"], saved["test_err"], saved["ema_err"]
    # Older checkpoints hold no losses: their best stays until an error is lower.
    state.best_loss = saved.get("best_loss", -math.inf if math.isfinite(state.best_err) else math.inf)
    state.test_loss, state.ema_loss = saved.get("test_loss"), saved.get("ema_loss")
