#!/usr/bin/env python3
"""Show what a network costs."""

import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Print a network's layers with output shape, multiply-adds, parameters and activations, and the totals.

Nothing is allocated or run: it takes the same second for every size."""


def act(cfg, args) -> int:
    """Print the table."""
    from pycls.engine.info import info

    print(info(cfg))
    return 0


if __name__ == "__main__":
    sys.exit(run_tool(build_parser(DESCRIPTION, "python tools/info_net.py --cfg configs/baselines/R-50.yaml"), act))
