#!/usr/bin/env python3
"""Train, test, time, describe or scale a network: one entry point, as pycls has it."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("run-net"))
