"""The least time a training step can take on a device: its arithmetic at the speed of matrix products, or its memory
traffic at the speed of copies, whichever is longer.

Arithmetic: 3 x the forward pass's multiply-adds (backward has two products for each of forward), 2 FLOPs each.
Memory, per step: the weights, all in float32, move 8 times with SGD and momentum (read in forward and backward;
gradient written and read; weight and momentum read and written), 10 with AdamW. Each activation that pycls counts
(outputs of convolutions, linear layers, attention products) moves 5 times in the format of the step: written, read by
the next layer, read again in backward; its gradient written and read. That is as if every normalization and activation
were fused into its neighbours and every cache were empty, so it is an estimate: batch norm alone reads its input again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import nn

from benchmarks.training.case import Case
from pycls.engine.network.precision import DTYPES
from pycls.engine.profiling.measure import synchronize
from pycls.models.complexity import complexity

_WEIGHT_MOVES = {"sgd": 8, "adamw": 10}
_ACTIVATION_MOVES = 5


@dataclass(frozen=True)
class Rates:
    """What the device can do."""

    flops: dict[str, float]  # FLOP/s of a matrix product, by number format
    bytes: float  # B/s, read and written, of a copy


def measure_rates(device: str, formats: list[str]) -> Rates:
    """Measure both; fp32 with TF32 where convolutions use it."""
    side, megabytes = (8192, 1024) if device == "cuda" else (1024, 256)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
    flops = {}
    for name in formats:
        a, b = (torch.randn(side, side, device=device).to(DTYPES[name]) for _ in range(2))
        flops[name] = 2 * side**3 / _seconds(partial(torch.mm, a, b, out=torch.empty_like(a)), device)
    torch.backends.cuda.matmul.allow_tf32 = before
    source = torch.zeros(megabytes << 18, device=device)
    return Rates(flops, 2 * 4 * source.numel() / _seconds(partial(torch.empty_like(source).copy_, source), device))


def _seconds(call: Callable[[], object], device: str, repeats: int = 10) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        call()
        synchronize(torch.device(device))
        times.append(time.perf_counter() - start)
    return median(times[3:])


def floor_seconds(case: Case, model: nn.Module, rates: Rates) -> tuple[float, float]:
    """Return the seconds of a step's arithmetic and of its memory traffic."""
    counts = complexity(model, case.size)
    flops = 3 * 2 * counts["flops"] * case.batch
    width = DTYPES[case.format].itemsize
    weights = 4 * _WEIGHT_MOVES[case.cfg.OPTIM.OPTIMIZER] * counts["params"]
    activations = width * _ACTIVATION_MOVES * counts["acts"] * case.batch
    return flops / rates.flops[case.format], (weights + activations) / rates.bytes
