#!/usr/bin/env python3
"""Show what a network costs: the command `pycls info`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("info"))
