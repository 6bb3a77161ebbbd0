"""Timing: the network alone per number format and layout, the loader alone, both together, and what limits them."""

from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.logging import FILE_ONLY, get_logger, json_line
from pycls.engine.data.settle_data import settle_data
from pycls.engine.network.precision import pick_precision
from pycls.engine.profiling.loader import find_samples, time_data
from pycls.engine.profiling.network import time_network, zoo_line
from pycls.engine.reporting.result import Result
from pycls.engine.setup import environment, setup_process

logger = get_logger(__name__)


def time(cfg: CfgNode) -> Result:
    """Time what `cfg` describes on one process and name the bottleneck; the measurements are in `Result.details`."""
    if cfg.NUM_GPUS != 1:
        raise ValueError(
            f"NUM_GPUS {cfg.NUM_GPUS}: timing runs on one process; use NUM_GPUS 1 and a process's share of the batch"
        )
    cfg = settle_data(cfg, ("train",))
    samples = find_samples(cfg)  # a wrong DATA_DIR is told before minutes of timing
    device = setup_process(cfg)
    details: dict[str, Any] = {"environment": environment(), "network": time_network(cfg, device)}
    logger.info(zoo_line(cfg, device, details["network"]))
    details |= time_data(_as_measured(cfg, device, details["network"]), device, samples)
    record = {"_type": "timing", "loader": None, "loader_not_timed": "", "bottleneck": "", **details}
    logger.info(json_line(record), extra=FILE_ONLY)
    return Result(details=details)


def _as_measured(cfg: CfgNode, device: torch.device, rows: list[dict[str, Any]]) -> CfgNode:
    """Return the config with the layout that trained faster in the place of TRAIN.CHANNELS_LAST auto."""
    if cfg.TRAIN.CHANNELS_LAST != "auto":
        return cfg
    name = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE).name
    found = {row["layout"]: row["train_step_ms"] for row in rows if row["format"] == name}
    fastest = min(found, key=found.__getitem__, default="")
    return with_value(cfg, "TRAIN.CHANNELS_LAST", fastest == "channels_last")
