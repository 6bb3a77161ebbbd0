"""A pool of threads that cannot keep the program from ending."""

import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

_SECONDS_TO_END = 5.0


class DaemonPool:
    """Threads that run calls in the order of submission.

    Those of concurrent.futures are joined when the interpreter exits: one that hangs in a read would hang it for ever.
    These are waited for too, at `shutdown` or at exit, but not longer than a few seconds.
    """

    def __init__(self, num_threads: int, name: str):
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        threads = [
            threading.Thread(target=_serve, args=(self._calls,), name=f"{name}-{number}", daemon=True)
            for number in range(num_threads)
        ]
        for thread in threads:
            thread.start()
        self._end = weakref.finalize(self, _end, self._calls, threads)

    def submit(self, call: Callable[..., Any], *arguments: Any) -> Future:
        """Queue one call."""
        future: Future = Future()
        self._calls.put((future, call, arguments))
        return future

    def shutdown(self) -> None:
        """Drop the calls that have not begun and wait, a few seconds at most, for those that run."""
        self._end()


def _serve(calls: queue.SimpleQueue) -> None:
    """Run calls until None comes (thread)."""
    while (item := calls.get()) is not None:
        _run(*item)
        del item  # else the last result would live until the next call


def _run(future: Future, call: Callable[..., Any], arguments: tuple) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call(*arguments))
    except BaseException as error:
        future.set_exception(error)


def _end(calls: queue.SimpleQueue, threads: list[threading.Thread]) -> None:
    while not calls.empty():
        future, _, _ = calls.get()
        future.cancel()
        future.set_running_or_notify_cancel()
    for _ in threads:
        calls.put(None)
    deadline = time.monotonic() + _SECONDS_TO_END
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
