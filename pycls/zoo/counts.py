"""Count what every config's network costs, for the records."""

import json
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.config import load_cfg, with_value
from pycls.models import build_model
from pycls.models.complexity import CONVENTIONS, complexity
from pycls.zoo.records import COUNTS

_IMAGENETS = 1000  # classes


def count(config: Path) -> dict[str, Any]:
    """Return {"im_size", "batch_size", convention -> {"flops", "params", "acts"}} of a config's file."""
    return count_network(load_cfg(str(config)))


def count_network(cfg: CfgNode) -> dict[str, Any]:
    """Return {"im_size", "batch_size", convention -> {"flops", "params", "acts"}} of a config; nothing is allocated.

    One that leaves the number of classes to the data is counted with ImageNet's.
    """
    if cfg.MODEL.NUM_CLASSES == 0:
        cfg = with_value(cfg, "MODEL.NUM_CLASSES", _IMAGENETS)
    with torch.device("meta"):
        model = build_model(cfg)
    counts = {name: complexity(model, cfg.TRAIN.IM_SIZE, name) for name in CONVENTIONS}
    return {"im_size": cfg.TRAIN.IM_SIZE, "batch_size": cfg.TRAIN.BATCH_SIZE} | counts


def save_counts(root: Path) -> None:
    """Count all configs of a repository and write the record."""
    configs = sorted(path.relative_to(root) for path in (root / "configs").rglob("*.yaml"))
    counts = {str(config): count(root / config) for config in configs}
    (root / COUNTS).write_text(json.dumps(counts, indent=1) + "\n")
