#!/usr/bin/env python3
"""Show what a network costs."""

import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Print a network's layers with output shape, multiply-adds, parameters and activations, and the totals.

Nothing is allocated or run: it takes the same second for every size. --fvcore adds a column with fvcore's counts, for
which the network runs on one image. --plot-lr draws the learning rate instead."""


def act(cfg, args) -> int:
    """Print the table or draw the learning rate."""
    from pycls.engine.profiling.info import info, save_lr_plot

    print(save_lr_plot(cfg, args.plot_lr) if args.plot_lr else info(cfg, args.fvcore))
    return 0


if __name__ == "__main__":
    parser = build_parser(DESCRIPTION, "python tools/info_net.py --cfg configs/baselines/R-50.yaml")
    parser.add_argument("--fvcore", action="store_true", help="show what fvcore counts beside our own counts")
    parser.add_argument("--plot-lr", metavar="FILE.png", help="draw the learning rate of every epoch into this file")
    sys.exit(run_tool(parser, act))
