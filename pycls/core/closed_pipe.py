"""Output that nobody reads any more: `pycls zoo list | head -1` ends silently."""

import contextlib
import os
import select
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
        file = sys.stdout.fileno()
    except (OSError, ValueError):  # no file, or one that is closed
        return True
    poll = select.poll()
    poll.register(file, 0)  # errors are told in any case
    return not poll.poll(0)
