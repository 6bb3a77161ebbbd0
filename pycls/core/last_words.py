"""Lines on the standard error; where they cannot be written, the program goes on, or ends, as it would."""

import contextlib
import sys

from pycls.core.bounds.secrets import hide_secrets
from pycls.core.registry import printable


def say_on_stderr(line: str) -> None:
    """Print a line, without passwords, and with nothing in it that does anything to a terminal.

    That its disk is full, or that its reader is gone, is no other error beside the one it tells of.
    """
    with contextlib.suppress(OSError):
        print(hide_secrets(printable(line)), file=sys.stderr, flush=True)
