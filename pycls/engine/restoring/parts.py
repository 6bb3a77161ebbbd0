"""Whether a checkpoint has every part that a run goes on with, and each is of its kind."""

import math
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from pycls.core.config import load_cfg_text
from pycls.core.plugins import MissingPluginsError
from pycls.core.weights.parts import DESCRIPTION, Part, UnreadableFile, check_kinds, is_number


def check_parts(saved: dict[str, Any], where: str) -> CfgNode:
    """Return the config in a checkpoint of ours that is whole; UnreadableFile names the part that is not.

    MissingPluginsError for a run of code from outside that is not there.
    """
    if "position" not in saved and "pixels" not in saved:
        raise UnreadableFile(
            f"{where}: not a checkpoint of this program's training; to start from its weights set TRAIN.WEIGHTS"
        )
    check_kinds(saved, _PARTS, where)
    try:
        cfg = load_cfg_text(saved["cfg"], f"{where} (config)")
    except MissingPluginsError:  # the file is whole
        raise
    except ValueError as error:
        raise UnreadableFile(str(error)) from None
    if not cfg.TRAIN.DATASET:
        raise UnreadableFile(f"{where} (config): TRAIN.DATASET is missing, which every run has")  # it is cut off
    _check_position(saved, cfg, where)
    return cfg


def _check_position(saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Raise UnreadableFile unless the parts that say how far the run is agree."""
    position, classes = saved["position"], saved["classes"]
    words = f"position is epoch {position['epoch']}, step {position['step']}"
    if position["epoch"] > cfg.OPTIM.MAX_EPOCH:
        raise UnreadableFile(f"{where}: {words}, but its run has {cfg.OPTIM.MAX_EPOCH} epochs")
    if position["epoch"] - 1 != saved["epoch"]:
        raise UnreadableFile(f"{where}: {words}, but its last finished epoch {saved['epoch']} (from 0)")
    if position["step"] != saved["meter"]["steps"]:
        raise UnreadableFile(f"{where}: {words}, but meter has {saved['meter']['steps']} steps")
    if cfg.MODEL.NUM_CLASSES not in (0, len(classes)):
        raise UnreadableFile(f"{where}: has {len(classes)} classes, its network {cfg.MODEL.NUM_CLASSES}")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _is_position(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"epoch", "step"} and all(map(_is_count, value.values()))


def _is_meter(value: Any) -> bool:
    has_both = isinstance(value, dict) and value.keys() == {"sums", "steps"} and _is_count(value["steps"])
    sums = value["sums"] if has_both else None
    return isinstance(sums, Tensor) and sums.shape in ((3,), (4,)) and sums.is_floating_point()


def _is_scaler(value: Any) -> bool:
    """Tell whether it is {}, without fp16, or all that a gradient scaler keeps."""
    if value == {}:
        return True
    factors, counts = ("scale", "growth_factor", "backoff_factor"), ("growth_interval", "_growth_tracker")
    if not isinstance(value, dict) or value.keys() != {*factors, *counts}:
        return False
    positive = all(is_number(value[name]) and 0 < value[name] < math.inf for name in factors)
    return positive and all(_is_count(value[name]) for name in counts)


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("state"), dict) and _is_groups(value.get("param_groups"))


def _is_groups(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(group, dict) for group in value)


def _is_data(value: Any) -> bool:
    rows = list(value.values()) if isinstance(value, dict) and "training" in value else [None]
    return all(isinstance(row, list) and len(row) == 3 and all(map(_is_count, row)) for row in rows)


# Older checkpoints lack the data and all losses.
_NEEDED = ("ema_state", "classes", "test_err", "ema_err", "best_err")
_PARTS = {
    **{name: part._replace(is_needed=part.is_needed or name in _NEEDED) for name, part in DESCRIPTION.items()},
    "cfg": Part(lambda value: isinstance(value, str) and value != "", "the run's config as text"),
    "position": Part(_is_position, "the next epoch and step, whole numbers from 0"),
    "epoch": Part(lambda value: type(value) is int, "the last finished epoch, a whole number"),
    "optimizer_state": Part(_is_optimizer, "state and param_groups of an optimizer"),
    "scaler_state": Part(_is_scaler, "the five numbers of a gradient scaler, or {}"),
    "meter": Part(_is_meter, "sums and steps of the epoch"),
    "data": Part(_is_data, "counts and checksums of the images", is_needed=False),
}
