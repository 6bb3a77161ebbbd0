"""OUT_DIR/unfinished: there from the start of a training to its end, also when it is stopped or killed.

A job script that finds it queues its job again: torchrun says 1 whatever its processes say, and after SIGKILL none
says a thing.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pycls.core.distributed import is_main
from pycls.core.locks import sole_run
from pycls.core.processes.pulse import is_of_a_connection

_NAME = "unfinished"


@contextlib.contextmanager
def unfinished_run(out_dir: str) -> Iterator[None]:
    """Hold the lock of OUT_DIR, and keep its mark, on the main process.

    An error, on any process, that comes again with the same command removes the mark.
    """
    with sole_run(out_dir) if is_main() else contextlib.nullcontext():
        if is_main():
            Path(out_dir, _NAME).touch()
        try:
            yield
        except Exception as error:
            if not is_of_a_connection(error):  # another process is gone: the same command goes on
                remove_mark(out_dir)
            raise


def remove_mark(out_dir: str) -> None:
    """Say that the same command has nothing left to do."""
    Path(out_dir, _NAME).unlink(missing_ok=True)
