"""Look before the first batch whether the machine has room for the workers, and say how to get it where not.

Without this a container with 64 MB of shared memory ends the run by a bus error, minutes later and without a word.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pycls.core.machine import free_memory_bytes, free_threads
from pycls.datasets.readers.native import MOST_OPEN

_SHARED_MEMORY = Path("/dev/shm")
_OPEN_FILES = Path("/proc/self/fd")
_LESS = "or lower DATA_LOADER.NUM_WORKERS or DATA_LOADER.PREFETCH"
# Pipes, locks and shared tensors that a worker process costs the one that feeds it, and the threads inside it.
_HANDLES_A_PROCESS, _THREADS_A_PROCESS = 8, 4
_BYTES_A_PROCESS = 10**8  # what torch takes that processes do not share
_SPARE_HANDLES, _SPARE_THREADS = 64, 16


@dataclass(frozen=True)
class Needs:
    """What the workers of one loader take."""

    processes: int = 0
    threads: int = 0
    shared_bytes: int = 0  # batches in shared memory
    batches: int = 0  # batches on their way, each of which may hold a file handle
    own_bytes: int = 0  # batches in memory that is not shared


def check_room(needs: Needs) -> None:
    """Raise ValueError, with the fix, unless memory, file handles and threads suffice."""
    _check_memory(needs, free_memory_bytes())
    if _SHARED_MEMORY.is_dir():
        _check_shared_memory(needs.shared_bytes, _free_bytes(_SHARED_MEMORY))
    _check_handles(needs.processes * _HANDLES_A_PROCESS + needs.threads * MOST_OPEN + needs.batches + _SPARE_HANDLES)
    _check_threads(needs.threads + needs.processes * _THREADS_A_PROCESS + _SPARE_THREADS, free_threads())


def _check_memory(needs: Needs, free: int) -> None:
    needed = needs.own_bytes + needs.shared_bytes
    if needed + needs.processes * _BYTES_A_PROCESS > free >= needed:
        raise ValueError(
            f"the loader's {needs.processes:,} worker processes need {_BYTES_A_PROCESS / 1e9:g} GB of memory each at "
            f"least, {free / 1e9:,.1f} GB are free here: lower DATA_LOADER.NUM_WORKERS"
        )
    if needed > free:
        raise ValueError(
            f"the loader's batches need {needed / 1e9:,.1f} GB of memory, {free / 1e9:,.1f} GB are free here: lower "
            "DATA_LOADER.PREFETCH, the batch size (TRAIN.BATCH_SIZE, TEST.BATCH_SIZE) or TRAIN.IM_SIZE"
        )


def _free_bytes(folder: Path) -> int:
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def _check_shared_memory(needed: int, free: int) -> None:
    if needed > free:
        raise ValueError(
            f"the loader's batches need {needed / 1e6:.0f} MB of shared memory, but {_SHARED_MEMORY} has "
            f"{free / 1e6:.0f} MB free: start the container with --shm-size={_gigabytes(needed)}g or --ipc=host, "
            f"use DATA_LOADER.WORKER_MODE threads with the backend custom, {_LESS}"
        )


def _gigabytes(num_bytes: int) -> int:
    """Return a comfortable size: twice as much as needed, whole gigabytes."""
    return max(1, -(-2 * num_bytes // 10**9))


def _check_handles(needed: int) -> None:
    """Raise this process's soft limit of open files when that is enough."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    total = needed + (len(os.listdir(_OPEN_FILES)) if _OPEN_FILES.is_dir() else 0)
    if soft == resource.RLIM_INFINITY or total <= soft:
        return
    if hard != resource.RLIM_INFINITY and total > hard:
        raise ValueError(
            f"the loader needs about {total} open files, but the limit is {hard} (ulimit -Hn): "
            f"ask for a higher one (LimitNOFILE, /etc/security/limits.conf), {_LESS}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (total, hard))


def _check_threads(needed: int, free: int | None) -> None:
    if free is not None and needed > free:
        raise ValueError(
            f"the loader needs about {needed} threads and processes, but this container may start {free} more: "
            f"start it with a higher --pids-limit, {_LESS}"
        )
