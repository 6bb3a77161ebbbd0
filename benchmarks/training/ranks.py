"""What several processes cost on one machine: until all are there, a step of a tiny network, an agreement.

    python -m benchmarks.training.ranks 4

Prints one line of JSON; fixed_costs.py makes a table of them. Each process imports what training does, nothing more.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from benchmarks.report import ROOT
from pycls.core import distributed
from pycls.core.config import load_cfg
from pycls.core.launch import launch
from pycls.engine.network.precision import Precision
from pycls.engine.run import build_stepper
from pycls.engine.state import build_state
from pycls.losses import soft_targets

_CONFIG = ROOT / "configs/quickstart/digits.yaml"
_NUM_IMAGES, _NUM_TIMES, _NUM_WARMUP = 8, 200, 10


def time_ranks(num_ranks: int) -> dict[str, Any]:
    """Return seconds until every process of a gloo group is there, milliseconds of a step and of an agreement."""
    start = time.time()
    there, step_ms, agree_ms = launch(_steps_of_rank, (), num_ranks, "gloo", 5.0)
    return {"ranks": num_ranks, "launch": there - start, "step": step_ms, "agree": agree_ms}


def _steps_of_rank() -> tuple[float, float, float]:
    """Return when the last process was there (Unix time), and median milliseconds of a step and of an agreement."""
    torch.set_num_threads(1)
    there = max(distributed.gather_objects(time.time()))
    cfg, precision = load_cfg(str(_CONFIG)), Precision(torch.device("cpu"))
    state = build_state(cfg, precision.device, precision.scaler())
    stepper = build_stepper(cfg, state, precision)
    stepper.net.train()
    images, targets = torch.rand(_NUM_IMAGES, 3, 16, 16), soft_targets(torch.arange(_NUM_IMAGES), 10, 0.0)
    step_ms = _median_ms(lambda: stepper.step(images, targets, 0.1))
    return there, step_ms, _median_ms(lambda: distributed.any_process(False))


def _median_ms(call: Callable[[], Any]) -> float:
    moments = []
    for _ in range(_NUM_WARMUP + _NUM_TIMES):
        moments.append(time.perf_counter())
        call()
    return 1000 * median(end - start for start, end in itertools.pairwise(moments[_NUM_WARMUP:]))


if __name__ == "__main__":
    print(json.dumps(time_ranks(int(sys.argv[1]))))
