#!/usr/bin/env python3
"""The model zoo: list, measure, write MODEL_ZOO.md: the command `pycls zoo`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("zoo"))
