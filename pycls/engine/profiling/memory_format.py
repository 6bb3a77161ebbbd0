"""TRAIN.CHANNELS_LAST auto: the memory layout that trains faster, measured before a run begins and kept by it."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.checkpoint import load_newest
from pycls.core.config import WITHOUT_PLUGINS, load_cfg_text, with_value
from pycls.core.config.im_size import sides
from pycls.core.logging import get_logger
from pycls.engine.network.compile import compile_for_training
from pycls.engine.network.freeze import freeze, set_train_mode
from pycls.engine.network.precision import Precision, pick_precision
from pycls.engine.restoring.parts import check_parts
from pycls.engine.run import build_stepper
from pycls.engine.state import TrainState
from pycls.losses import soft_targets
from pycls.models import build_model
from pycls.optim import build_optimizer

logger = get_logger(__name__)

_KEY = "TRAIN.CHANNELS_LAST"
_NUM_WARMUP, _NUM_TIMED = 2, 6
_MAX_SEC = 2.0  # for either of the two, in each layout; one step is always taken
_WORTH = 0.98  # channels_last must take at most this part of the time: noise changes nothing


def settle_layout(cfg: CfgNode, device: torch.device) -> CfgNode:
    """Return the config with True or False in the place of auto, the same on every process.

    A run keeps the layout of its newest checkpoint: another one rounds otherwise. A new one gets what the main process
    finds faster, on a network and images of its own; no weight and no draw of the run depends on that.
    """
    if cfg.TRAIN.CHANNELS_LAST != "auto":
        return cfg
    if cfg.FSDP.ENABLED:
        return with_value(cfg, _KEY, False)  # shards are contiguous
    chosen = distributed.gather_objects(_choose(cfg, device) if distributed.is_main() else None)[0]
    return with_value(cfg, _KEY, chosen)


def saved_layout(saved: dict[str, Any], path: Path) -> bool:
    """Tell whether a checkpoint of ours was trained in channels_last; other files do not say: False."""
    if "position" not in saved:
        return False
    return load_cfg_text(saved["cfg"], str(path), WITHOUT_PLUGINS).TRAIN.CHANNELS_LAST is True


def _choose(cfg: CfgNode, device: torch.device) -> bool:
    newest = load_newest(cfg.OUT_DIR, lambda saved, path: check_parts(saved, str(path)))
    if newest is None:
        return faster_layout(cfg, device)
    chosen = saved_layout(newest.saved, newest.path)
    logger.info("TRAIN.CHANNELS_LAST auto: %s, as in %s", chosen, newest.path)
    return chosen


def faster_layout(cfg: CfgNode, device: torch.device) -> bool:
    """Measure training steps in both layouts; return True if channels_last is faster, and log both times."""
    contiguous_ms, channels_last_ms = (_time_layout(cfg, device, channels_last) for channels_last in (False, True))
    chosen = channels_last_ms < _WORTH * contiguous_ms
    logger.info(
        "TRAIN.CHANNELS_LAST auto: %s; a step of %d images takes %.1f ms contiguous, %.1f ms channels_last",
        *(chosen, cfg.TRAIN.BATCH_SIZE // distributed.world_size(), contiguous_ms, channels_last_ms),
    )
    return chosen


def _time_layout(cfg: CfgNode, device: torch.device, channels_last: bool) -> float:
    """Return milliseconds of a step, infinite if there is not enough memory; random generators stay as they are."""
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            return _median_ms(_build_step(cfg, precision, channels_last), precision.device)
        except torch.OutOfMemoryError:
            return math.inf
        finally:
            _forget(cfg, device)


def _build_step(cfg: CfgNode, precision: Precision, channels_last: bool) -> Callable[[], Any]:
    """Return a call that takes a step of this process alone at learning rate 0."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    device, num_classes = precision.device, cfg.MODEL.NUM_CLASSES
    model = build_model(cfg).to(device).to(memory_format=layout)
    freeze(model, cfg.TRAIN.FROZEN)
    set_train_mode(model, cfg.TRAIN.FROZEN)
    state = TrainState(model, None, build_optimizer(cfg, model), precision.scaler())
    stepper = build_stepper(cfg, state, precision, net=compile_for_training(model, cfg))
    labels = torch.arange(cfg.TRAIN.BATCH_SIZE // distributed.world_size(), device=device) % num_classes
    shape = len(labels), cfg.DATA_LOADER.CHANNELS, *sides(cfg.TRAIN.IM_SIZE)
    images = torch.rand(shape, device=device).to(memory_format=layout)
    targets = soft_targets(labels, num_classes, cfg.TRAIN.LABEL_SMOOTHING)
    return lambda: stepper.step(images, targets, 0.0)


def _median_ms(step: Callable[[], Any], device: torch.device) -> float:
    _repeat(step, device, _NUM_WARMUP)
    return median(_repeat(step, device, _NUM_TIMED))


def _repeat(step: Callable[[], Any], device: torch.device, count: int) -> list[float]:
    """Return the milliseconds of each of up to `count` steps, the device's work included."""
    ms: list[float] = []
    while len(ms) < count and sum(ms) < 1000 * _MAX_SEC:
        start = perf_counter()
        step()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        ms.append(1000 * (perf_counter() - start))
    return ms


def _forget(cfg: CfgNode, device: torch.device) -> None:
    """Leave neither compiled code nor memory of the measurement behind."""
    if cfg.TRAIN.COMPILE:
        torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
