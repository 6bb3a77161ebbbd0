"""Processor time and memory of this process and everything below it (Linux)."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_PROC = Path("/proc")
_SCHED_CLOCK = 2  # which clock of a process: the time that it ran, user and system, in nanoseconds


def available() -> bool:
    """Tell whether the system shows its processes."""
    return (_PROC / "self" / "stat").exists()


def tree() -> list[int]:
    """Return the ids of this process and of all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir(_PROC):
        if entry.isdigit() and (parent := _parent(int(entry))) is not None:
            children.setdefault(parent, []).append(int(entry))
    found = [os.getpid()]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found


def _parent(pid: int) -> int | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:  # it has just ended
        return None
    return int(text.rpartition(")")[2].split()[1])


def cpu_seconds(pids: list[int]) -> dict[int, float]:
    """Return the exact processor time (user + system, all threads, ended ones too) of each process that still lives."""
    seconds = {}
    for pid in pids:
        try:
            seconds[pid] = time.clock_gettime((~pid << 3) | _SCHED_CLOCK)  # clock_getcpuclockid(3) in numbers
        except OSError:
            continue
    return seconds


def cpu_spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Return the seconds that the processes in `after` used since `before`; new ones count from their start."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def memory_mb(pids: list[int]) -> tuple[float, str]:
    """Return the memory of some processes together and what was counted.

    "PSS" shares out memory that several processes use; "RSS", where PSS cannot be read, counts it once in each.
    """
    for kind in ("PSS", "RSS"):
        sizes = [_memory_kb(pid, kind) for pid in pids]
        if sizes[0] is not None:  # this process itself
            return sum(size or 0 for size in sizes) * 1024 / 1e6, kind
    return 0.0, "not available"


def _memory_kb(pid: int, kind: str) -> int | None:
    file, field = ("smaps_rollup", "Pss:") if kind == "PSS" else ("status", "VmRSS:")
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), None)


class PeakMemory:
    """Sample the memory of the tree in a thread, inside a `with` block; `look` once more whenever it is worth it."""

    def __init__(self, interval_sec: float = 0.05):
        self.mb, self.kind = 0.0, "not available"
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


def busy_seconds() -> float | None:
    """Return the processor seconds that the whole machine has worked since it started, or None if it does not say."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, (_PROC / "stat").read_text().split()[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
