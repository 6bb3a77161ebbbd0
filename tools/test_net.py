#!/usr/bin/env python3
"""Evaluate a trained network: the command `pycls test`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("test"))
