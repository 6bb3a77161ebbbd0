#!/usr/bin/env python3
"""Time a network and its data loader."""

import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Time the network alone (inference and training, per number format and layout, on synthetic images), the
 data loader alone, and both together; name the bottleneck.

PREC_TIME.WARMUP_ITER and PREC_TIME.NUM_ITER set the iterations; one measurement ends after 20 s in any case. On a
CPU give a small TRAIN.BATCH_SIZE and TEST.BATCH_SIZE: big networks take minutes a batch there."""


def act(cfg, args) -> int:
    """Time and print."""
    from pycls.engine import time

    time(cfg)
    return 0


if __name__ == "__main__":
    example = "python tools/time_net.py --cfg configs/baselines/R-50.yaml TRAIN.BATCH_SIZE 8 TEST.BATCH_SIZE 8"
    sys.exit(run_tool(build_parser(DESCRIPTION, example), act))
