"""Scale a config's network up or down and write the config of the result."""

from pathlib import Path

import torch
from yacs.config import CfgNode

from pycls.core.atomic_io import write_durably
from pycls.core.config import check_cfg, dump_changes
from pycls.core.config.defaults import default_cfg
from pycls.core.config.im_size import is_square, sides
from pycls.core.paths import check_output_folder
from pycls.core.registry import pick
from pycls.engine.data.settle_data import settle_classes
from pycls.models import build_model
from pycls.models.complexity import complexity
from pycls.models.regnet import regnet_stages
from pycls.models.scaler import Factors, scale_depths, scale_size, scale_width, scale_widths, scaling_factors


def scale(cfg: CfgNode) -> str:
    """Write the config scaled by MODEL.SCALING_TYPE and SCALING_FACTOR to OUT_DIR/CFG_DEST; return what changed.

    Raises ValueError for families without scaling rules, and rather than overwriting a file.
    """
    path = Path(cfg.OUT_DIR) / cfg.CFG_DEST
    check_output_folder(path.parent, "OUT_DIR")
    if path.exists():
        raise ValueError(f"{path} is there already; choose another OUT_DIR or CFG_DEST")
    if not cfg.MODEL.SCALING_TYPE:
        raise ValueError("MODEL.SCALING_TYPE is empty: name the dimensions to scale, such as dwr or d1_w8_g8_r1")
    cfg = settle_classes(cfg)
    before = _counts(cfg)  # building it checks its keys
    scaled = scaled_cfg(cfg)
    text = _report(cfg, scaled, before)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"# {line}\n" for line in text.splitlines()) + dump_changes(scaled)
    write_durably(path, content.encode())
    return f"{text}\nWritten: {path}"


def scaled_cfg(cfg: CfgNode) -> CfgNode:
    """Return the frozen config of the scaled network, which asks for no more scaling; a RegNet becomes an AnyNet."""
    factors = scaling_factors(cfg.MODEL.SCALING_TYPE, cfg.MODEL.SCALING_FACTOR)
    scaled = cfg.clone()
    scaled.defrost()
    pick(SCALERS, cfg.MODEL.TYPE, "MODEL.TYPE (of networks that can be scaled)")(scaled, factors)
    for phase in (scaled.TRAIN, scaled.TEST):
        scaled_sides = [scale_size(side, factors.resolution) for side in sides(phase.IM_SIZE)]
        phase.IM_SIZE = scaled_sides[0] if is_square(scaled_sides) else scaled_sides
    scaled.MODEL.SCALING_TYPE, scaled.MODEL.SCALING_FACTOR = "", 1.0
    check_cfg(scaled)
    scaled.freeze()
    return scaled


def _scale_anynet(cfg: CfgNode, factors: Factors) -> None:
    """Scale the stages in place; the stem and the head's own width stay."""
    keys = cfg.ANYNET
    bot_muls = keys.BOT_MULS or [1.0] * len(keys.WIDTHS)
    if keys.GROUP_WS and "bottleneck" in keys.BLOCK_TYPE:
        keys.WIDTHS, keys.GROUP_WS = scale_widths(keys.WIDTHS, bot_muls, keys.GROUP_WS, factors)
    else:
        keys.WIDTHS = [scale_width(width, factors.width) for width in keys.WIDTHS]
    keys.DEPTHS = scale_depths(keys.DEPTHS, factors.depth)


def _scale_regnet(cfg: CfgNode, factors: Factors) -> None:
    """Write the stages out, for the scaled ones follow from no four numbers, and scale them in place."""
    keys, stages = cfg.REGNET, cfg.ANYNET
    for name in ("STEM_TYPE", "STEM_W", "BLOCK_TYPE", "HEAD_W", "SE_ON", "SE_R"):
        stages[name] = keys[name]
    stages.DEPTHS, stages.WIDTHS, stages.BOT_MULS, stages.GROUP_WS = regnet_stages(
        keys.WA, keys.W0, keys.WM, keys.DEPTH, keys.BOT_MUL, keys.GROUP_W
    )
    stages.STRIDES = [keys.STRIDE] * len(stages.WIDTHS)
    cfg.MODEL.TYPE, cfg.REGNET = "anynet", default_cfg().REGNET
    _scale_anynet(cfg, factors)


def _scale_effnet(cfg: CfgNode, factors: Factors) -> None:
    """Scale stages, stem and head in place."""
    keys = cfg.EN
    keys.DEPTHS = scale_depths(keys.DEPTHS, factors.depth)
    keys.WIDTHS = [scale_width(width, factors.width) for width in keys.WIDTHS]
    keys.STEM_W, keys.HEAD_W = scale_width(keys.STEM_W, factors.width), scale_width(keys.HEAD_W, factors.width)


SCALERS = {"anynet": _scale_anynet, "regnet": _scale_regnet, "effnet": _scale_effnet}


def _report(cfg: CfgNode, scaled: CfgNode, before: dict[str, int]) -> str:
    after = _counts(scaled)
    asked, got = cfg.MODEL.SCALING_FACTOR, after["flops"] / before["flops"]
    lines = [f"{cfg.MODEL.TYPE} scaled by {cfg.MODEL.SCALING_TYPE} x {asked:g}"]
    lines.append(f"pixels: {cfg.TRAIN.IM_SIZE} -> {scaled.TRAIN.IM_SIZE}")
    for key, name in (("flops", "multiply-adds"), ("params", "parameters"), ("acts", "activations")):
        lines.append(f"{name}: {before[key]:,} -> {after[key]:,} ({after[key] / before[key]:.2f}x)")
    if abs(got / asked - 1) > 0.05:
        lines.append(f"{got:.2f}x instead of {asked:g}x comes from whole blocks, and widths that groups divide")
    return "\n".join(lines)


def _counts(cfg: CfgNode) -> dict[str, int]:
    with torch.device("meta"):
        return complexity(build_model(cfg), cfg.TRAIN.IM_SIZE)
