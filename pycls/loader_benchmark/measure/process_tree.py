"""Processor time and memory of this process and everything below it."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil


def tree() -> list[psutil.Process]:
    """Return this process and all its living descendants."""
    this = psutil.Process()
    return [this, *this.children(recursive=True)]


def cpu_seconds(processes: Sequence[psutil.Process]) -> dict[int, float]:
    """Return id -> processor time (user + system, all threads, ended ones too; to 10 ms) of those that still live."""
    seconds = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds[process.pid] = times.user + times.system
    return seconds


def cpu_spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Return the seconds that the processes in `after` used since `before`; new ones count from their start."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def memory_mb(processes: Sequence[psutil.Process]) -> tuple[float, str]:
    """Return the memory of this process, which comes first, and others together, and what was counted.

    "PSS" shares out memory that several processes use; "RSS", where the system does not tell that, counts it in each.
    """
    shared_out = [_memory(process, "pss") for process in processes]
    if shared_out[0] is not None:
        return sum(size or 0 for size in shared_out) / 1e6, "PSS"
    return sum(_memory(process, "rss") or 0 for process in processes) / 1e6, "RSS"


def _memory(process: psutil.Process, kind: str) -> int | None:
    """Return bytes, None where they are not known: another system, no permission, or the process has ended."""
    try:
        sizes = process.memory_full_info() if kind == "pss" else process.memory_info()
    except psutil.Error:
        return None
    return getattr(sizes, kind, None)


class PeakMemory:
    """Sample the memory of the tree in a thread, inside a `with` block; `look` once more whenever it is worth it."""

    def __init__(self, interval_sec: float = 0.05):
        self.mb, self.kind = 0.0, ""
        self._interval_sec, self._stop = interval_sec, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def look(self) -> None:
        """Take one sample."""
        mb, self.kind = memory_mb(tree())
        self.mb = max(self.mb, mb)

    def _sample(self) -> None:
        while not self._stop.wait(self._interval_sec):
            self.look()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


def busy_seconds() -> float:
    """Return the processor seconds that the whole machine has worked since it started, guests included."""
    times = psutil.cpu_times()
    others = ("nice", "irq", "softirq", "steal", "interrupt", "dpc")  # each system has some of them
    return times.user + times.system + sum(getattr(times, name, 0.0) for name in others)
