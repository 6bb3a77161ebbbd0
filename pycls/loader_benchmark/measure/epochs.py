"""Time a loader alone: first batch, epochs, processor time and memory of everything that it starts."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from pycls.datasets.loader import Loader
from pycls.engine.profiling.measure import synchronize
from pycls.loader_benchmark.measure.process_tree import PeakMemory, busy_seconds, cpu_seconds, cpu_spent, tree
from pycls.loader_benchmark.measure.task import Job, Task


@dataclass(frozen=True)
class Epoch:
    """One timed epoch, from asking for it to its last batch."""

    images: int
    marks: list[float]  # seconds from asking to each batch
    cpu_sec: float  # of the whole process tree
    other_cores: float  # cores that other work on the machine kept busy meanwhile


def measure_loader(task: Task) -> dict[str, Any]:
    """Time the first batch and `task.epochs` epochs after the first one, during which memory is watched."""
    job = Job(task)
    job.drop_cache()
    start = time.perf_counter()
    with closing(job.build_loader()) as loader:
        batches = draw(loader, 0, task.output)
        next(batches)
        first_batch_sec = time.perf_counter() - start
        with PeakMemory() as memory:
            sum(until(batches, task.max_sec))
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
    processes = tree()  # the workers are there since the first epoch
    cpu, busy, marks, images = cpu_seconds(processes), busy_seconds(), [], 0
    start = time.perf_counter()
    for count in until(draw(loader, number, job.task.output), job.task.max_sec):
        marks.append(time.perf_counter() - start)
        images += count
    spent = cpu_spent(cpu, cpu_seconds(processes))
    return Epoch(images, marks, spent, max(0.0, (busy_seconds() - busy - spent) / marks[-1]))


def draw(loader: Loader, epoch: int, output: str) -> Iterator[int]:
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


def until(batches: Iterator[int], max_sec: float) -> Iterator[int]:
    """Pass batches on, at least one, and none that would begin after `max_sec`."""
    start = time.perf_counter()
    for count in batches:
        yield count
        if time.perf_counter() - start > max_sec:
            return
