#!/usr/bin/env python3
"""Train a network: the command `pycls train`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("train"))
