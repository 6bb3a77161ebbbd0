"""Time training loops in turns, in one process: A B C A B C, so that a machine that slows down slows all."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from benchmarks.training.case import Case, Loop
from pycls.engine.profiling.measure import synchronize

LONGEST_BLOCK = 31  # steps: the average of the weights is updated every 32
Build = Callable[[Case, Tensor, Tensor], Loop]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Timed:
    """What was measured of one loop."""

    rates: list[float] = field(default_factory=list)  # images/s of each round
    peak_mb: float = 0.0  # CUDA: the loop's own peak, its weights included; CPU: resident set of the whole process
    own_mb: float = 0.0  # CUDA: what it holds between blocks

    @property
    def median(self) -> float:
        """Images/s."""
        return median(self.rates)

    @property
    def spread_pct(self) -> float:
        """Difference of the fastest and the slowest round in percent of the median."""
        return 100 * (max(self.rates) - min(self.rates)) / self.median


def time_loops(case: Case, builds: dict[str, Build], steps: int, rounds: int, warmup: int) -> dict[str, Timed]:
    """Return the speed of each loop: blocks of steps, in turns, for `rounds` rounds.

    All are built and warmed up (compiled, convolutions chosen) first. A block is one step in which the average of the
    weights is due, and `steps` in which it is not; its speed is that of 32 steps with one such. The clock stops when
    the device is done. A loop that would compile again in a timed block raises RuntimeError.
    """
    torch.compiler.reset()  # networks of earlier cases count towards the limit of recompilations
    images, labels = case.data()
    loops: dict[str, Loop] = {}
    found = {name: Timed() for name in builds}
    for name, build in builds.items():
        before = _allocated_mb(case.device)
        loops[name] = build(case, images, labels)
        loops[name].take(warmup)
        synchronize(torch.device(case.device))
        found[name].own_mb = _allocated_mb(case.device) - before
    with torch.compiler.set_stance("fail_on_recompile") if case.compiled else nullcontext():
        for _ in range(rounds):
            for name, loop in loops.items():
                _time_block(case, loop, steps, found[name])
    return found


def _time_block(case: Case, loop: Loop, steps: int, timed: Timed) -> None:
    before, period = _start_peak(case.device), case.cfg.OPTIM.EMA_UPDATE_PERIOD
    assert steps <= LONGEST_BLOCK < period, "the average of the weights is updated in the first step alone"
    first, others = _seconds(case, loop, 1, 0), _seconds(case, loop, steps, 1) / steps
    timed.rates.append(case.batch * period / (first + (period - 1) * others))
    timed.peak_mb = max(timed.peak_mb, _peak_mb(case.device) - before + timed.own_mb)


def _seconds(case: Case, loop: Loop, steps: int, first: int) -> float:
    device = torch.device(case.device)
    synchronize(device)
    start = time.perf_counter()
    loop.take(steps, first)
    synchronize(device)
    return time.perf_counter() - start


def _allocated_mb(device: str) -> float:
    return torch.cuda.memory_allocated() / 2**20 if device == "cuda" else 0.0


def _start_peak(device: str) -> float:
    """Start the measurement of a peak; return what is allocated already, on a CPU 0."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif _CLEAR.exists():
        _CLEAR.write_text("5")  # Linux: forget the peak of the resident set
    return _allocated_mb(device)


def _peak_mb(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
