#!/usr/bin/env python3
"""Check the image files of a data set: the command `pycls check-data`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("check-data"))
