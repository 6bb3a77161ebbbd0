#!/usr/bin/env python3
"""Train, test, time, describe or scale a network: one entry point, as pycls has it."""

import sys

import info_net
import scale_net
import test_net
import time_net
import train_net

from pycls.core.cli import build_parser, run_tool

MODES = {"train": train_net, "test": test_net, "time": time_net, "info": info_net, "scale": scale_net}
DESCRIPTION = "Train, test, time, describe or scale a network; each mode has a tool of its own, whose --help says more."


def main() -> int:
    """Parse --mode and hand over."""
    parser = build_parser(DESCRIPTION, "python tools/run_net.py --mode train --cfg configs/quickstart/digits.yaml")
    parser.add_argument("--mode", required=True, choices=MODES, help="what to do")
    return run_tool(parser, lambda cfg, args: MODES[args.mode].act(cfg, args))


if __name__ == "__main__":
    sys.exit(main())
