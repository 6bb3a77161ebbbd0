#!/usr/bin/env python3
"""Compare the loader backends on this machine: the command `pycls compare-loaders`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("compare-loaders"))
