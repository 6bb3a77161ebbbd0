"""How a call is timed: repeated until it was often enough or long enough, the device's work included."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.logging import NOT_ON_TERMINAL, get_logger, progress_bar

logger = get_logger(__name__)

MAX_SEC = 20.0  # one measurement ends after this, however many iterations were asked for


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated calls."""

    ms: list[float]

    @property
    def median(self) -> float:
        """Median."""
        return median(self.ms)

    def percentile(self, pct: float) -> float:
        """Return the value below which `pct` percent of the calls lie (nearest rank)."""
        ranked = sorted(self.ms)
        return ranked[min(len(ranked) - 1, int(pct / 100 * len(ranked)))]


def measure(call: Callable[[], Any], cfg: CfgNode, device: torch.device, what: str = "call") -> Timing:
    """Time a call PREC_TIME.NUM_ITER times after PREC_TIME.WARMUP_ITER untimed ones, the device's work included.

    `what` it does is shown meanwhile by a bar, and in a pipe by a line with the result.
    """
    warmup, timed = (max(1, count) for count in (cfg.PREC_TIME.WARMUP_ITER, cfg.PREC_TIME.NUM_ITER))
    ms: list[float] = []
    with progress_bar(None, what, warmup + timed, unit="step") as bar:
        for _ in for_a_while(warmup):
            call()
            synchronize(device)
            bar.update()
        for _ in for_a_while(timed):
            start = time.perf_counter()
            call()
            synchronize(device)
            ms.append(1000 * (time.perf_counter() - start))
            bar.update()
    logger.info("%s: %.1f ms", what, median(ms), extra=NOT_ON_TERMINAL)
    return Timing(ms)


def for_a_while(count: int) -> Iterator[int]:
    """Count up to `count` (at least 1), or until MAX_SEC are over."""
    began = time.perf_counter()
    for number in range(max(1, count)):
        yield number
        if time.perf_counter() - began > MAX_SEC:
            return


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
