#!/usr/bin/env python3
"""Name what is on images: the command `pycls predict`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("predict"))
