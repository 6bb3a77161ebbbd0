#!/usr/bin/env python3
"""Time a network and its data loader: the command `pycls time`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("time"))
