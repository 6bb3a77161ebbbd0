"""Show what a network costs."""

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Print a network's layers with output shape, multiply-adds, parameters and activations, and the totals.

Nothing is allocated or run: it takes the same second for every size. --fvcore adds a column with fvcore's counts, for
which the network runs on one image. --plot-lr draws the learning rate instead."""
EXAMPLE = "--cfg configs/baselines/R-50.yaml"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Print the table or draw the learning rate."""
    from pycls.core.logging import print_lines
    from pycls.engine.profiling.info import info, save_lr_plot

    print_lines(save_lr_plot(cfg, args.plot_lr) if args.plot_lr is not None else info(cfg, args.fvcore))
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE)
    parser.add_argument("--fvcore", action="store_true", help="show what fvcore counts beside our own counts")
    parser.add_argument("--plot-lr", metavar="FILE.png", help="draw the learning rate of every epoch into this file")
    return run_tool(parser, act, words, "info")
