#!/usr/bin/env python3
"""Train a network."""

import sys

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Train a network as a config says, evaluate it after every epoch, and save checkpoints.

The same command goes on from the newest checkpoint in OUT_DIR. SIGTERM, SIGINT (Ctrl-C) and SIGUSR1 stop cleanly after
the step that runs: the state is saved and the exit code is 75. Other exit codes: 0 done, 1 training failed (the loss is
not finite, say), 2 bad input. Several GPUs: NUM_GPUS 8, or torchrun for several nodes."""


def act(cfg, args) -> int:
    """Train and print the outcome."""
    from pycls.engine import train
    from pycls.engine.reporting.result import report

    return report(train(cfg))


if __name__ == "__main__":
    example = "python tools/train_net.py --cfg configs/quickstart/digits.yaml OUT_DIR runs/mine OPTIM.MAX_EPOCH 5"
    sys.exit(run_tool(build_parser(DESCRIPTION, example), act))
