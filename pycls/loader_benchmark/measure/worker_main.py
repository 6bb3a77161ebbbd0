"""What the process of one measurement can do. `main` reads a task from stdin and answers on stdout."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import torch

from pycls.datasets import build_loader
from pycls.engine.profiling.loader import time_end_to_end, time_loader
from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.measure.epochs import draw, measure_loader, until
from pycls.loader_benchmark.measure.task import Job, Task

ANSWER = "pycls-cell-answer "  # what the line with the result begins with; libraries may print other lines


def measure_model(task: Task) -> dict[str, Any]:
    """Time the configured network with the loader, the network alone and the loader alone (images a second)."""
    job = Job(task)
    torch.backends.cudnn.benchmark = job.cfg.CUDNN.BENCHMARK
    with closing(job.build_loader()) as loader:
        alone = time_loader(loader, job.cfg, job.device)
        both, wait_pct, compute = time_end_to_end(loader, job.cfg, job.device)
    return {"loader": alone, "compute": compute, "end_to_end": both, "data_wait_pct": wait_pct}


def probe(task: Task) -> dict[str, Any]:
    """Try a backend, save the squares of the first images in both views, and return its rough speed."""
    job, squares, count = Job(task), {}, task.num_squares
    for phase in VIEWS:
        start = time.perf_counter()
        with closing(build_loader(job.cfg, phase, job.device, job.samples)) as loader:
            (pixels,) = (batch.cpu().numpy().copy() for batch in loader.backend.batches(0, [np.arange(count)]))
            squares[phase] = pixels
            began = time.perf_counter()
            images = sum(until(draw(loader, 1, "uint8"), task.max_sec))
        rate = images / (time.perf_counter() - began)
    np.savez(task.pixels_file, allow_pickle=False, **squares)
    return {"images_per_sec": rate, "start_sec": began - start}


def measure_table(task: Task) -> dict[str, Any]:
    """Time every batch of whole epochs of the eval view, float on the device; the first one starts the workers."""
    job = Job(task)
    epochs = []
    with closing(job.build_loader()) as loader:
        for number in range(task.epochs):
            marks, start = [0.0], time.perf_counter()
            for _ in draw(loader, number, "float"):
                marks.append(time.perf_counter() - start)
            epochs.append(np.diff(marks).tolist())
    return {"epochs": epochs}


JOBS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "loader": measure_loader,
    "model": measure_model,
    "probe": probe,
    "table": measure_table,
}


def main() -> None:
    """Do the task and print its result, or {"error": sentence}, as one line of JSON."""
    task = Task(**json.load(sys.stdin))
    try:
        result = JOBS[task.kind](task)
    except (ValueError, OSError, RuntimeError) as error:
        result = {"error": str(error).splitlines()[0] if str(error) else type(error).__name__}
    print(ANSWER + json.dumps(result), flush=True)
