#!/usr/bin/env python3
"""Write a network for other programs: the command `pycls export`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("export"))
