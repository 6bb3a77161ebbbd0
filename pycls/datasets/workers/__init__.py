"""Who does the work of the custom backend: the calling thread, a pool of threads, or child processes."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

import cv2
import torch

from pycls.core.registry import pick
from pycls.datasets.workers.processes import ProcessWorkers
from pycls.datasets.workers.threads import DaemonPool

Work = Callable[..., Any]


class Workers(Protocol):
    """Something that runs `work(*task)` for each task."""

    def submit(self, *task: Any) -> Future:
        """Begin one task, in the order of submission."""

    def close(self) -> None:
        """End the workers; tasks that have not begun are dropped."""


class InlineWorkers:
    """Do each task at once, in the calling thread."""

    def __init__(self, work: Work):
        self._work = work

    def submit(self, *task: Any) -> Future:
        """Run the task; its error is kept in the future."""
        future: Future = Future()
        try:
            future.set_result(self._work(*task))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Do nothing."""


# How long a thread that is busy in Python keeps the lock from others. With Python's own 5 ms a worker, which asks about
# five times in 32 images, would wait half its time beside a busy main thread (benchmarks/loaders/end_to_end.py).
_SWITCH_SEC = 0.0001


class ThreadWorkers:
    """Threads in which torch uses one core each; the main thread keeps its own setting.

    The process changes between threads more often from then on, so that a busy main thread does not hold them up.
    """

    def __init__(self, work: Work, num_workers: int):
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SEC))
        self._work = work
        self._pool = DaemonPool(num_workers, "pycls-loader")
        limit_torch_threads(self._pool, num_workers)

    def submit(self, *task: Any) -> Future:
        """Queue the task."""
        return self._pool.submit(self._work, *task)

    def close(self) -> None:
        """Drop the queue and wait, a few seconds at most, for the running tasks."""
        self._pool.shutdown()


class Submits(Protocol):
    """A pool of threads."""

    def submit(self, call: Callable[[], Any]) -> Future:
        """Queue one call."""


def limit_torch_threads(pool: Submits, num_workers: int) -> None:
    """Start all threads of a pool and set torch to one core in each.

    `torch.set_num_threads` holds for the calling thread, and for every thread that first asks for its number later on.
    So each worker asks and then sets, and the caller's number is put back at the end.
    """
    num_threads = torch.get_num_threads()
    everyone = threading.Barrier(num_workers + 1)

    def limit() -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)
        everyone.wait()

    for _ in range(num_workers):
        pool.submit(limit)
    everyone.wait()
    torch.set_num_threads(num_threads)


# Planning and handing out hold Python's lock: more threads than this are no faster (benchmarks/loaders/threads.py).
MOST_THREADS = 16


def choose_mode(mode: str, num_workers: int) -> str:
    """Return what DATA_LOADER.WORKER_MODE means: "auto" is threads while they carry, then processes."""
    if mode != "auto":
        return mode
    return "threads" if num_workers <= MOST_THREADS else "processes"


KINDS: dict[str, Callable[[Work, int], Workers]] = {"threads": ThreadWorkers, "processes": ProcessWorkers}


def build_workers(mode: str, num_workers: int, work: Work, watched: bool) -> Workers:
    """Start `num_workers` workers of a mode ("threads" or "processes").

    With 0 the caller does the work, unless it is to be watched: it cannot watch itself, so one thread does it.
    """
    kind = pick(KINDS, mode, "DATA_LOADER.WORKER_MODE")
    cv2.setNumThreads(0)  # OpenCV's own threads: the parallelism is over images
    if num_workers == 0:
        return ThreadWorkers(work, 1) if watched else InlineWorkers(work)
    return kind(work, num_workers)
