#!/usr/bin/env python3
"""Scale a network up or down: the command `pycls scale`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("scale"))
