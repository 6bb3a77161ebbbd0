#!/usr/bin/env python3
"""Write weights in another layout: the command `pycls convert`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("convert"))
