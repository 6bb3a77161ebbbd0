"""Threads in the place of check_data's processes, which take seconds to start."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class ThreadWorkers(ThreadPoolExecutor):
    """What check_data asks of ProcessWorkers."""

    def __init__(self, work: Callable[..., Any], num_workers: int):
        super().__init__(num_workers)
        self._call = work

    def submit(self, *task: Any) -> Future:  # type: ignore[override]
        """Run the work on a task."""
        return super().submit(self._call, *task)

    def close(self) -> None:
        """End the threads."""
        self.shutdown()
