"""What a network costs, layer by layer."""

import torch
from yacs.config import CfgNode

from pycls.datasets import jpeg
from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table


def info(cfg: CfgNode) -> str:
    """Return the layer table and totals of the network at TRAIN.IM_SIZE as text; nothing is allocated or run."""
    with torch.device("meta"):
        model = build_model(cfg)
    rows = layer_table(model, cfg.TRAIN.IM_SIZE)
    width = max(len(row["name"]) for row in rows)
    lines = [f"{'layer':{width}} {'type':18} {'output':>20} {'MACs':>15} {'parameters':>12} {'activations':>12}"]
    for row in rows:
        shape = "x".join(map(str, row["output_shape"]))
        counts = f"{row['flops']:15,} {row['params']:12,} {row['acts']:12,}"
        lines.append(f"{row['name']:{width}} {row['type']:18} {shape:>20} {counts}")
    decoder = f"JPEG decoder of the custom loader: {jpeg.describe(cfg.DATA_LOADER.JPEG)}"
    return "\n".join([*lines, "", totals(cfg, complexity(model, cfg.TRAIN.IM_SIZE)), decoder])


def totals(cfg: CfgNode, counts: dict[str, int]) -> str:
    """Return the totals in words: pycls's "flops" are multiply-adds (MACs)."""
    macs = f"{counts['flops']:,} MACs (pycls's flops; {2 * counts['flops']:,} FLOPs at two a MAC)"
    acts = f"{counts['acts']:,} activations (outputs of convolutions, linear layers and max-pools)"
    return f"{cfg.MODEL.TYPE} at {cfg.TRAIN.IM_SIZE} px: {macs}, {counts['params']:,} parameters, {acts}"
