"""Inside a cell: what the process of one measurement does. `main` reads a task from stdin and answers on stdout."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from yacs.config import CfgNode

from pycls.core.config import load_cfg
from pycls.core.distributed import pick_device
from pycls.datasets import build_loader
from pycls.datasets.loader import Loader
from pycls.datasets.subset import Subset, choose
from pycls.engine.benchmark import synchronize, time_end_to_end, time_loader
from pycls.engine.compare import page_cache
from pycls.engine.compare.process_tree import PeakMemory, available, busy_seconds, cpu_seconds, cpu_spent, tree
from pycls.engine.compare.sources import load_samples

ANSWER = "pycls-cell-answer "  # what the line with the result begins with; libraries may print other lines


@dataclass(frozen=True)
class Task:
    """What a cell's process is asked for."""

    kind: str  # a key of JOBS
    cfg_file: str
    overrides: list[str]
    flat: bool = False  # how the source's folder is built
    num_files: int = 0  # different images at most
    num_samples: int = 0  # images of an epoch
    view: str = "train"
    cache: str = "warm"
    output: str = "uint8"
    epochs: int = 3  # timed ones, after the first
    max_sec: float = 20.0  # an epoch ends after this
    num_squares: int = 4  # images that a probe shows
    pixels_file: str = ""  # where it puts them


@dataclass(frozen=True)
class Epoch:
    """One timed epoch, from asking for it to its last batch."""

    images: int
    marks: list[float]  # seconds from asking to each batch
    cpu_sec: float | None  # of the whole process tree
    other_cores: float | None  # cores that other work on the machine kept busy meanwhile

    @property
    def sec(self) -> float:
        """Duration."""
        return self.marks[-1]


@dataclass
class Job:
    """A task with what every job needs of it."""

    task: Task
    cfg: CfgNode = field(init=False)
    device: torch.device = field(init=False)
    samples: Subset = field(init=False)

    def __post_init__(self) -> None:
        self.cfg = load_cfg(self.task.cfg_file, self.task.overrides)
        self.device = pick_device(self.cfg.DEVICE)
        every = load_samples(self.cfg, self.task.flat, self.task.view)
        num_files = self.task.num_files or len(every)
        self.samples = choose(every, num_files, self.task.num_samples or len(every))
        torch.zeros(1, device=self.device)  # a GPU takes seconds to begin with
        _import_backend(self.cfg.DATA_LOADER.BACKEND, self.device)

    def build_loader(self) -> Loader:
        """Build the loader of the task's view."""
        return build_loader(self.cfg, self.task.view, self.device, self.samples)

    def drop_cache(self) -> None:
        """Make a cold cell's next read come from the disk."""
        if self.task.cache == "cold":
            different = range(min(self.task.num_files, len(self.samples)))
            page_cache.drop({page_cache.file_of(self.samples.name(index)) for index in different})


def _import_backend(backend: str, device: torch.device) -> None:
    """Import the libraries before any clock runs; ValueError when they are missing."""
    if backend.startswith("dali"):
        from pycls.datasets.dali_pipeline import check_dali

        check_dali(backend, device)


# ---- the loader alone


def measure_loader(task: Task) -> dict[str, Any]:
    """Time the first batch and `task.epochs` epochs after the first one, during which memory is watched."""
    job = Job(task)
    job.drop_cache()
    start = time.perf_counter()
    with closing(job.build_loader()) as loader:
        batches = _draw(loader, 0, task.output)
        next(batches)
        first_batch_sec = time.perf_counter() - start
        with PeakMemory() as memory:
            sum(_until(batches, task.max_sec))
        epochs = [_time_epoch(job, loader, number) for number in range(1, task.epochs + 1)]
        memory.look()
    return {
        "first_batch_sec": first_batch_sec,
        "epochs": [asdict(epoch) for epoch in epochs],
        "peak_mb": memory.mb,
        "memory_kind": memory.kind,
    }


def _time_epoch(job: Job, loader: Loader, number: int) -> Epoch:
    job.drop_cache()
    cpu, busy, marks, images = cpu_seconds(tree()) if available() else {}, busy_seconds(), [], 0
    start = time.perf_counter()
    for count in _until(_draw(loader, number, job.task.output), job.task.max_sec):
        marks.append(time.perf_counter() - start)
        images += count
    spent = cpu_spent(cpu, cpu_seconds(tree())) if available() else None
    return Epoch(images, marks, spent, _others(busy, spent, marks[-1]))


def _others(busy_before: float | None, own_sec: float | None, sec: float) -> float | None:
    busy = busy_seconds()
    if busy is None or busy_before is None or own_sec is None:
        return None
    return max(0.0, (busy - busy_before - own_sec) / sec)


def _draw(loader: Loader, epoch: int, output: str) -> Iterator[int]:
    """Draw an epoch's batches, ready for use, and yield the number of images in each.

    "uint8": as the backend hands them over, in host memory (dali_gpu: on the GPU). "float": as the network gets them.
    """
    if output == "float":
        for batch in loader.epoch(epoch):
            synchronize(loader.device)
            yield len(batch.labels)
        return
    for pixels in loader.backend.batches(epoch, loader.index_batches(epoch)):
        if pixels.is_cuda:
            synchronize(loader.device)
        yield len(pixels)


def _until(batches: Iterator[int], max_sec: float) -> Iterator[int]:
    """Pass batches on, at least one, and none that would begin after `max_sec`."""
    start = time.perf_counter()
    for count in batches:
        yield count
        if time.perf_counter() - start > max_sec:
            return


# ---- with the network


def measure_model(task: Task) -> dict[str, Any]:
    """Time the configured network with the loader, the network alone and the loader alone (images a second)."""
    job = Job(task)
    torch.backends.cudnn.benchmark = job.cfg.CUDNN.BENCHMARK
    with closing(job.build_loader()) as loader:
        alone = time_loader(loader, job.cfg, job.device)
        both, wait_pct, compute = time_end_to_end(loader, job.cfg, job.device)
    return {"loader": alone, "compute": compute, "end_to_end": both, "data_wait_pct": wait_pct}


# ---- what a backend shows


def probe(task: Task) -> dict[str, Any]:
    """Try a backend, save the squares of the first images in both views, and return its rough speed."""
    job, squares, count = Job(task), {}, task.num_squares
    for phase in ("train", "test"):
        start = time.perf_counter()
        with closing(build_loader(job.cfg, phase, job.device, job.samples)) as loader:
            (pixels,) = (batch.cpu().numpy().copy() for batch in loader.backend.batches(0, [np.arange(count)]))
            squares[phase] = pixels
            began = time.perf_counter()
            images = sum(_until(_draw(loader, 1, "uint8"), task.max_sec))
        rate = images / (time.perf_counter() - began)
    np.savez(task.pixels_file, **squares)
    return {"images_per_sec": rate, "start_sec": began - start}


# ---- pytorch-cls's loader table


def measure_table(task: Task) -> dict[str, Any]:
    """Time every batch of whole epochs of the eval view, float on the device; the first one starts the workers."""
    job = Job(task)
    epochs = []
    with closing(job.build_loader()) as loader:
        for number in range(task.epochs):
            marks, start = [0.0], time.perf_counter()
            for _ in _draw(loader, number, "float"):
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
