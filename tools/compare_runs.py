#!/usr/bin/env python3
"""Compare trainings: the command `pycls compare-runs`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("compare-runs"))
