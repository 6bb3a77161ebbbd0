"""Numbers of a running epoch, kept on the device and read only when a line is due: a step never waits for them."""

import math
import time
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from pycls.core.distributed import all_reduce_sum, world_size


def topk_correct(logits: Tensor, labels: Tensor, ks: tuple[int, ...] = (1, 5)) -> list[Tensor]:
    """Return for each k the number of rows whose label is among the k largest logits; at most all K are ranked."""
    return list(topk_hits(logits, labels, ks).sum(1))


def topk_hits(logits: Tensor, labels: Tensor, ks: tuple[int, ...] = (1, 5)) -> Tensor:
    """Tell of logits (N, K) and labels (N,) which rows are right at each k, bool (len(ks), N).

    At 1 the guess is `argmax`'s; of equal logits beyond it the first classes count. No row with a NaN is right.
    """
    own = logits.gather(1, labels[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    rank = ((logits > own) | ((logits == own) & earlier)).sum(1)
    first, is_number = logits.argmax(1) == labels, ~logits.isnan().any(1)
    return torch.stack([(first if k == 1 else first | (rank < k)) & is_number for k in ks])


class Window(NamedTuple):
    """Medians over the steps since the last log line."""

    loss: float
    top1_err: float
    top5_err: float
    losses: list[float]  # of every step
    own_losses: list[float]  # the same of this process's images alone


class TrainMeter:
    """Loss and errors of training steps: the last `period` of them, and sums over the epoch."""

    def __init__(self, period: int, batch_size: int, device: torch.device):
        self.batch_size = batch_size  # global
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._window = torch.zeros(period, 3, dtype=self._dtype, device=device)
        self._sums = torch.zeros(4, dtype=self._dtype, device=device)  # as a row of the window, and bad images
        self._filled = 0
        self.steps = 0

    @property
    def window_steps(self) -> int:
        """Steps taken in since the window was last read."""
        return self._filled

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, num_bad: int = 0) -> None:
        """Take in one step of this process, with the number of bad images in it; nothing is read back."""
        top1, top5 = topk_correct(logits, labels)
        size = len(labels)
        row = torch.stack([loss.to(self._dtype) * size, size - top1.to(self._dtype), size - top5.to(self._dtype)])
        self._window[self._filled] = row
        self._sums[:3] += row
        self._sums[3] += num_bad
        self._filled += 1
        self.steps += 1

    def read_window(self) -> Window:
        """Return medians over the window, over all processes, and start a new window."""
        own = self._window[: self._filled]
        own_losses, rows = own[:, 0].tolist(), all_reduce_sum(own.clone()).tolist()
        self._filled = 0
        losses = [row[0] / self.batch_size for row in rows]
        top1, top5 = (median(100.0 * row[i] / self.batch_size for row in rows) for i in (1, 2))
        finite = [loss for loss in losses if math.isfinite(loss)]
        return Window(median(finite or losses), top1, top5, losses, own_losses)

    def read_epoch(self) -> tuple[float, float, float, int]:
        """Return mean loss, top-1 and top-5 error (percent) and the bad images of the epoch, over all processes."""
        *sums, num_bad = self.state()["sums"].tolist()
        loss, top1, top5 = (value / max(1, self.steps * self.batch_size) for value in sums)
        return loss, 100.0 * top1, 100.0 * top5, round(num_bad)

    def state(self) -> dict:
        """Return the epoch's sums over all processes, for a checkpoint."""
        return {"sums": all_reduce_sum(self._sums.clone()).cpu(), "steps": self.steps}

    def load_state(self, state: dict) -> None:
        """Go on from saved sums, each process taking an equal share."""
        saved = state["sums"]  # without bad images in older checkpoints
        self._sums[: len(saved)] = saved.to(self._sums) / world_size()
        self.steps = state["steps"]

    def reset(self) -> None:
        """Start a new epoch."""
        self._sums.zero_()
        self._filled = self.steps = 0


class Clock:
    """Wall time of an epoch's steps, waiting for data included; evaluation is not counted, as in pycls."""

    def __init__(self, batch_size: int):
        self.batch_size = batch_size  # global
        self.start()

    def start(self) -> None:
        """Begin an epoch."""
        self.seconds, self.steps = 0.0, 0
        self._lap_start = time.perf_counter()

    def lap(self, steps: int) -> float:
        """Count `steps` steps since the last lap; return their seconds."""
        now = time.perf_counter()
        elapsed, self._lap_start = now - self._lap_start, now
        self.seconds, self.steps = self.seconds + elapsed, self.steps + steps
        return elapsed

    def sec_per_step(self) -> float:
        """Return the mean over the epoch so far."""
        return self.seconds / max(1, self.steps)

    def images_per_sec(self) -> float:
        """Return global images a second over the epoch so far."""
        return self.batch_size * self.steps / max(1e-9, self.seconds)


def time_string(seconds: float) -> str:
    """Write seconds as pycls does: "DD,HH:MM:SS"."""
    minutes, sec = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days:02},{hours:02}:{minutes:02}:{sec:02}"


def peak_memory_mb(device: torch.device) -> int:
    """Return the peak memory in MiB: of the CUDA allocator, elsewhere of this process."""
    if device.type == "cuda":
        return math.ceil(torch.cuda.max_memory_allocated(device) / 2**20)
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return math.ceil(peak / (2**20 if sys.platform == "darwin" else 2**10))
