"""What a network costs, layer by layer, and the learning rate of its config."""

from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from torch import nn
from yacs.config import CfgNode

from pycls.datasets.decoders import libjpeg_turbo as jpeg
from pycls.engine.reporting.plots import plot_lr
from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table
from pycls.models.complexity.conventions import CONVENTIONS
from pycls.optim import build_lr_policy


def info(cfg: CfgNode) -> str:
    """Return the layer table and totals of the network at TRAIN.IM_SIZE as text; nothing is allocated or run."""
    with torch.device("meta"):
        model = build_model(cfg)
    decoder = f"JPEG decoder of the custom loader: {jpeg.describe(cfg.DATA_LOADER.JPEG)}"
    totals_line = totals(cfg, complexity(model, cfg.TRAIN.IM_SIZE))
    table = table_text(layer_table(model, cfg.TRAIN.IM_SIZE))
    return "\n".join([table, "", totals_line, *conventions(cfg, model), decoder])


def table_text(rows: list[dict[str, Any]]) -> str:
    """Return the rows of `layer_table` as aligned text."""
    heads = ["layer", "type", "output", "MACs", "parameters", "activations"]
    cells = [
        [row["name"], row["type"], "x".join(map(str, row["output_shape"])), row["flops"], row["params"], row["acts"]]
        for row in rows
    ]
    aligns = ["left", "left", *["right"] * 4]
    return tabulate(cells, heads, "plain", intfmt=",", colalign=aligns, disable_numparse=[0, 1, 2])


def totals(cfg: CfgNode, counts: dict[str, int]) -> str:
    """Return the totals in words: pycls's "flops" are multiply-adds (MACs)."""
    name = " ".join(word for word in (cfg.MODEL.TYPE, cfg.MODEL.NAME) if word)
    macs = f"{counts['flops']:,} MACs (pycls's flops; {2 * counts['flops']:,} FLOPs at two a MAC)"
    acts = f"{counts['acts']:,} activations (outputs of convolutions, linear layers, attention and max-pools)"
    return f"{name} at {cfg.TRAIN.IM_SIZE} px: {macs}, {counts['params']:,} parameters, {acts}"


def conventions(cfg: CfgNode, model: nn.Module) -> list[str]:
    """Return the "flops" of every convention, a line each, and what it counts."""
    size = cfg.TRAIN.IM_SIZE
    return [
        f"flops, {name:8} {complexity(model, size, name)['flops']:18,}  {convention.says}"
        for name, convention in CONVENTIONS.items()
    ]


def save_lr_plot(cfg: CfgNode, path: str) -> str:
    """Draw the learning rate over a run of the config as a picture (its format by the file's name); say where."""
    optim = cfg.OPTIM
    if Path(path).suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--plot-lr {path}: the name must end in .png, .pdf or .svg")
    factors = optim.LR_POLICY in ("steps", "exp")  # each fall a share of the rate before: to scale the last are unseen
    plot_lr(build_lr_policy(cfg), optim.MAX_EPOCH, optim.LR_PER_ITER, Path(path), log_scale=factors)
    moves = "every step" if optim.LR_PER_ITER else "every epoch"
    return f"{path}: OPTIM.LR_POLICY {optim.LR_POLICY} over {optim.MAX_EPOCH} epochs, moved {moves}"
