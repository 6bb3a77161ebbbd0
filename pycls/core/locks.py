"""Locks on files, which the system releases when a process ends, however it does: one run at a time in an OUT_DIR."""

import contextlib
import errno
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from pycls.core.atomic_io import naming

PATIENCE_SEC = 10.0  # processes of a run that was killed are gone by then
FOREVER = -1.0
_LOCK = ".lock"
_NO_LOCKS_HERE = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


@contextlib.contextmanager
def locked(file: Path, patience_sec: float = FOREVER, busy: Callable[[str], str] = str) -> Iterator[None]:
    """Hold the lock of `file`, which is created and stays; it says which process holds it.

    ValueError with `busy(process and host)` when another process still holds it after `patience_sec`. A file system
    without locks is trusted: what stands in for a lock there (a file that its owner deletes) outlives a killed process.
    """
    lock = FileLock(file, timeout=patience_sec, fallback_to_soft=False)
    try:
        lock.acquire()
        with naming(file):
            file.write_text(f"process {os.getpid()} on {platform.node()}\n")
    except Timeout:
        raise ValueError(busy(_holder(file))) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS_HERE:
            raise
    try:
        yield
    finally:
        lock.release()


def _holder(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:  # it has let go just now, and removed the file
        return "just ended"


@contextlib.contextmanager
def no_trace_if_refused(out_dir: str | Path) -> Iterator[None]:
    """Remove OUT_DIR when the block ends with a ValueError, bad input, if it was not there and no run has begun in it.

    What is known of the data only when it is read comes after the folder, its lock and its log.
    """
    folder = Path(out_dir)
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]  # innermost first
    try:
        yield
    except ValueError:
        with contextlib.suppress(OSError, ValueError):  # another run has just begun there, or it was not made
            if missing and set(os.listdir(folder)) <= {_LOCK, "stdout.log"}:
                with sole_run(folder, patience_sec=0):
                    for name in os.listdir(folder):
                        (folder / name).unlink()
                for path in missing:
                    path.rmdir()
        raise


def sole_run(out_dir: str | Path, patience_sec: float = PATIENCE_SEC) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of OUT_DIR: two runs would overwrite each other's checkpoints and records.

    ValueError, naming host and process, while another run holds it.
    """

    def busy(holder: str) -> str:
        return (
            f"OUT_DIR {out_dir}: another run is writing there ({holder}); wait for its end, or choose another OUT_DIR"
        )

    return locked(Path(out_dir, _LOCK), patience_sec, busy)
