"""Scale a network up or down."""

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Multiply a network's cost by MODEL.SCALING_FACTOR along the dimensions of MODEL.SCALING_TYPE: letters
of d (depth), w (width), g (group width), r (resolution), such as dwr, or with weights such as d1_w8_g8_r1, pycls's
fast scaling.

Prints the cost before and after, and writes the config of the scaled network to OUT_DIR/CFG_DEST."""
EXAMPLE = (
    "--cfg configs/dds_baselines/regnety/RegNetY-4.0GF_dds_8gpu.yaml "
    "MODEL.SCALING_TYPE d1_w8_g8_r1 MODEL.SCALING_FACTOR 4 OUT_DIR runs/scaled"
)


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Scale and print."""
    from pycls.zoo.scale import scale

    print(scale(cfg))
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_tool(build_parser(prog, DESCRIPTION, EXAMPLE), act, words, "scale")
