"""What a network costs, layer by layer, and the learning rate of its config."""

from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from torch import nn
from yacs.config import CfgNode

from pycls.core.config.im_size import size_text
from pycls.core.paths import check_outputs
from pycls.datasets.decoders import libjpeg_turbo
from pycls.engine.data.settle_data import settle_classes
from pycls.engine.profiling.fvcore_flops import fvcore_flops
from pycls.engine.reporting.plots import plot_lr
from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table
from pycls.models.complexity.conventions import CONVENTIONS
from pycls.optim import build_lr_policy


def info(cfg: CfgNode, with_fvcore: bool = False) -> str:
    """Return the layer table and totals of the network at TRAIN.IM_SIZE as text; nothing is allocated or run.

    `with_fvcore` adds what fvcore counts, for which the network runs once, on the CPU.
    """
    cfg = settle_classes(cfg)
    with torch.device("meta"):
        model = build_model(cfg)
    rows, size = layer_table(model, cfg.TRAIN.IM_SIZE), cfg.TRAIN.IM_SIZE
    lines = [totals(cfg, complexity(model, size)), *conventions(cfg, model)]
    counts = fvcore_flops(model, size) if with_fvcore else None  # last: the model is no longer on the meta device
    lines += [_flops_line("fvcore", counts.total, str(counts))] if counts else []
    decoder = f"JPEG decoder of the custom loader: {libjpeg_turbo.describe(cfg.DATA_LOADER.JPEG)}"
    return "\n".join([table_text(rows, counts.by_module if counts else None), "", *lines, decoder])


def table_text(rows: list[dict[str, Any]], fvcore: dict[str, int] | None = None) -> str:
    """Return the rows of `layer_table` as aligned text, beside the MACs what fvcore counts in each layer.

    That is all calls of a layer together, in the row of the first one.
    """
    columns = {
        "layer": [row["name"] for row in rows],
        "type": [row["type"] for row in rows],
        "output": ["x".join(map(str, row["output_shape"])) for row in rows],
        "MACs": [row["flops"] for row in rows],
    }
    if fvcore is not None:
        left = dict(fvcore)
        columns["fvcore"] = [left.pop(row["name"], 0) for row in rows]
    columns |= {"parameters": [row["params"] for row in rows], "activations": [row["acts"] for row in rows]}
    aligns = ["left", "left", *["right"] * (len(columns) - 2)]
    return tabulate(columns, "keys", "plain", intfmt=",", colalign=aligns, disable_numparse=[0, 1, 2])


def totals(cfg: CfgNode, counts: dict[str, int]) -> str:
    """Return the totals in words: pycls's "flops" are multiply-adds (MACs)."""
    name = " ".join(word for word in (cfg.MODEL.TYPE, cfg.MODEL.NAME) if word)
    macs = f"{counts['flops']:,} MACs (pycls's flops; {2 * counts['flops']:,} FLOPs at two a MAC)"
    acts = f"{counts['acts']:,} activations (outputs of convolutions, linear layers, attention and max-pools)"
    return f"{name} at {size_text(cfg.TRAIN.IM_SIZE)} px: {macs}, {counts['params']:,} parameters, {acts}"


def conventions(cfg: CfgNode, model: nn.Module) -> list[str]:
    """Return the "flops" of every convention, a line each, and what it counts."""
    size = cfg.TRAIN.IM_SIZE
    return [
        _flops_line(name, complexity(model, size, name)["flops"], convention.says)
        for name, convention in CONVENTIONS.items()
    ]


def _flops_line(name: str, flops: int, says: str) -> str:
    return f"flops, {name:8} {flops:18,}  {says}"


def save_lr_plot(cfg: CfgNode, path: str) -> str:
    """Draw the learning rate over a run of the config as a picture (its format by the file's name); say where."""
    optim = cfg.OPTIM
    if Path(path).suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--plot-lr {path}: the name must end in .png, .pdf or .svg")
    check_outputs([path])
    factors = optim.LR_POLICY in ("steps", "exp")  # each fall a share of the rate before: to scale the last are unseen
    plot_lr(build_lr_policy(cfg), optim.MAX_EPOCH, optim.LR_PER_ITER, Path(path), log_scale=factors)
    moves = "every step" if optim.LR_PER_ITER else "every epoch"
    return f"{path}: OPTIM.LR_POLICY {optim.LR_POLICY} over {optim.MAX_EPOCH} epochs, moved {moves}"
