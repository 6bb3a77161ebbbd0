#!/usr/bin/env python3
"""Pack image folders into tar shards: the command `pycls pack`."""

import sys

from pycls.commands import run_file

if __name__ == "__main__":
    sys.exit(run_file("pack"))
