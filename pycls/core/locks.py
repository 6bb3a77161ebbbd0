"""One run at a time in an OUT_DIR: two would overwrite each other's checkpoints and records."""

import contextlib
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

PATIENCE_SEC = 10.0  # processes of a run that was killed are gone by then


@contextlib.contextmanager
def sole_run(out_dir: str | Path, patience_sec: float = PATIENCE_SEC) -> Iterator[None]:
    """Hold the lock of OUT_DIR, which the system releases when the process ends, however it does.

    ValueError, naming host and process, while another run holds it. A file system without locks is trusted.
    """
    with Path(out_dir, ".lock").open("a+") as file:
        if not _acquire(file, patience_sec):
            file.seek(0)
            raise ValueError(
                f"OUT_DIR {out_dir}: another run is writing there ({file.read().strip()}); wait for its end, or choose "
                "another OUT_DIR"
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _acquire(file: TextIO, patience_sec: float) -> bool:
    deadline = time.monotonic() + patience_sec
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        except OSError:  # there are no locks here
            return True
        else:
            return True
