"""Lines on the standard error; where they cannot be written, the program goes on, or ends, as it would."""

import contextlib
import sys


def say_on_stderr(line: str) -> None:
    """Print a line; that its disk is full, or that its reader is gone, is no other error beside the one it tells of."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
