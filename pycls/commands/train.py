"""Train a network."""

import argparse
from collections.abc import Sequence

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Train a network as a config says, evaluate it after every epoch, and save checkpoints.

The same command goes on from the newest checkpoint in OUT_DIR. SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 stop cleanly after
the step that runs: the state is saved and the exit code is 75. Other exit codes: 0 done, 1 training failed (the loss is
not finite, say), 2 bad input. Several GPUs: NUM_GPUS 8, or torchrun for several nodes."""
EXAMPLE = "--cfg configs/quickstart/digits.yaml OUT_DIR runs/mine OPTIM.MAX_EPOCH 5"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Train and print the outcome."""
    from pycls.engine import train
    from pycls.engine.reporting.result import report

    return report(train(cfg))


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_tool(build_parser(prog, DESCRIPTION, EXAMPLE), act, words, "train")
