"""Evaluate a trained network."""

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Evaluate TEST.WEIGHTS (a file, or a run's folder), or the best checkpoint in OUT_DIR, on every image of
TEST.DATASET, each once.

Prints the number of images, top-1 and top-5 error and loss, and writes per-class accuracy and the confusion matrix."""
EXAMPLE = "--cfg configs/quickstart/digits.yaml TEST.WEIGHTS runs/digits/checkpoints/best.pyth"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Evaluate and print the outcome."""
    from pycls.engine import test
    from pycls.engine.reporting.result import report

    return report(test(cfg))


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_tool(build_parser(prog, DESCRIPTION, EXAMPLE), act, words, "test")
