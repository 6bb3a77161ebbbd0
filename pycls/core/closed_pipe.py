"""Output that nobody reads any more: `pycls zoo list | head -1` ends silently."""

import contextlib
import os
import sys
from collections.abc import Iterator

_EXIT_CODE = 141  # as of a program that SIGPIPE ends


@contextlib.contextmanager
def quiet_closed_pipe() -> Iterator[None]:
    """End the program silently when its standard output is closed."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if stdout_is_open():
            raise  # another pipe, of a worker process say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes out at its end
        raise SystemExit(_EXIT_CODE) from None


def stdout_is_open() -> bool:
    """Tell whether what is written to the standard output still goes somewhere."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return False
    return True
