#!/usr/bin/env python3
"""Evaluate a trained network."""

import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Evaluate TEST.WEIGHTS, or the best checkpoint in OUT_DIR, on every image of TEST.DATASET, each once.

Prints the number of images, top-1 and top-5 error and loss, and writes per-class accuracy and the confusion matrix."""


def act(cfg, args) -> int:
    """Evaluate and print the outcome."""
    from pycls.engine import test
    from pycls.engine.reporting.result import report

    return report(test(cfg))


if __name__ == "__main__":
    example = (
        "python tools/test_net.py --cfg configs/quickstart/digits.yaml TEST.WEIGHTS runs/digits/checkpoints/best.pyth"
    )
    sys.exit(run_tool(build_parser(DESCRIPTION, example), act))
