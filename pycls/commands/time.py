"""Time a network and its data loader."""

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Time the network alone (inference and training, per number format and layout, on synthetic images), the
data loader alone, and both together; name the bottleneck.

PREC_TIME.WARMUP_ITER and PREC_TIME.NUM_ITER set the iterations; one measurement ends after 20 s in any case. On a
CPU give a small TRAIN.BATCH_SIZE and TEST.BATCH_SIZE: big networks take minutes a batch there."""
EXAMPLE = "--cfg configs/baselines/R-50.yaml TRAIN.BATCH_SIZE 8 TEST.BATCH_SIZE 8"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Time and print."""
    from pycls.engine import time

    time(cfg)
    return 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_tool(build_parser(prog, DESCRIPTION, EXAMPLE), act, words, "time")
