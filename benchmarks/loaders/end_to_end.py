"""Loader and training step together: what is lost against the slower of the two alone, and at the edges of epochs.

    python -m benchmarks.loaders.end_to_end  # about 4 idle minutes; writes its section of benchmarks/RESULTS.md

The step is simulated, so that it needs no GPU: `device` sleeps, as a thread does that waits for a GPU; `python`
counts, as one does that is busy with hooks and small kernels and never releases Python's global lock (GIL). One core
is left for it: workers are one fewer than cores. Steps are 0.7, 1 and 1.4 times as long as the loader needs for a
batch.
"""

import os
import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import torch

from benchmarks.loaders.photos import made_photos
from benchmarks.report import command_line, describe_machine, publish
from pycls.core.machine import usable_cores
from pycls.datasets.backends.base import BackendOptions
from pycls.datasets.backends.custom import CustomBackend
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.view import View

_BATCH_SIZE, _NUM_BATCHES = 64, 30
_LENGTHS = (0.7, 1.0, 1.4)
Step = Callable[[float], None]


def wait_for_device(seconds: float) -> None:
    """Release the GIL for so long."""
    time.sleep(seconds)


def count_in_python(seconds: float) -> None:
    """Keep the GIL for so long, but for the switches that Python forces."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


STEPS: dict[str, Step] = {"device": wait_for_device, "python": count_in_python}


def build_backend(samples: FileSamples, mode: str, num_workers: int) -> CustomBackend:
    """Build the custom backend with ImageNet's training view."""
    view = View(True, 224, 256, (0.08, 1.0), (3 / 4, 4 / 3), 0.5, "torchvision", True, seed=0)
    options = BackendOptions(
        num_workers=num_workers,
        prefetch=3,
        worker_mode=mode,
        pin_memory=False,
        device=torch.device("cpu"),
        max_batch=_BATCH_SIZE,
    )
    return CustomBackend(samples, view, options)


def index_batches(samples: FileSamples, epoch: int) -> list[np.ndarray]:
    """Return `_NUM_BATCHES` full batches of an epoch."""
    order = np.resize(epoch_order(0, epoch, len(samples)), _NUM_BATCHES * _BATCH_SIZE)
    return list(order.reshape(_NUM_BATCHES, _BATCH_SIZE))


def seconds_per_batch(batches: Iterator[torch.Tensor], step: Step, seconds: float) -> float:
    """Return the time of a batch and its step, the batches prepared beforehand left out."""
    for _ in range(6):
        next(batches)
        step(seconds)
    start, count = time.perf_counter(), 0
    for _ in batches:
        step(seconds)
        count += 1
    return (time.perf_counter() - start) / count


def time_mode(samples: FileSamples, mode: str, num_workers: int) -> Iterator[tuple[str, float, float]]:
    """Yield (step, its length / the loader's, speed / that of the slower of the two) in one backend."""
    backend = build_backend(samples, mode, num_workers)

    def run(step: Step, seconds: float) -> float:
        return seconds_per_batch(iter(backend.batches(0, index_batches(samples, 0))), step, seconds)

    run(wait_for_device, 0.0)  # files cached, workers warm
    for name, step in STEPS.items():
        for length in _LENGTHS:
            alone = run(wait_for_device, 0.0)
            yield name, length, max(alone, alone * length) / run(step, alone * length)
    backend.close()


def time_edges(samples: FileSamples, mode: str, num_workers: int) -> tuple[float, float]:
    """Return seconds from building the backend to its first batch, and from one epoch's last to the next's first."""
    start = time.perf_counter()
    backend = build_backend(samples, mode, num_workers)
    batches = backend.batches(0, index_batches(samples, 0))
    next(batches)
    first = time.perf_counter() - start
    for _ in batches:
        last = time.perf_counter()
    next(backend.batches(1, index_batches(samples, 1)))
    gap = time.perf_counter() - last
    backend.close()
    return first, gap


def table(samples: FileSamples, num_workers: int, rounds: int) -> str:
    """Measure everything and return it as Markdown."""
    header = [f"{name} x{length}" for name in STEPS for length in _LENGTHS]
    lines = [f"| workers | first batch (s) | epoch gap (s) | {' | '.join(header)} |"]
    lines.append("| --- |" + " ---: |" * (2 + len(header)))
    for mode in ("threads", "processes"):
        edges = [time_edges(samples, mode, num_workers) for _ in range(rounds)]
        runs = [list(time_mode(samples, mode, num_workers)) for _ in range(rounds)]
        first, gap = (median(values) for values in zip(*edges, strict=True))
        shares = [median(share for _, _, share in same) for same in zip(*runs, strict=True)]
        cells = [f"{first:.2f}", f"{gap:.3f}", *(f"{100 * share:.0f} %" for share in shares)]
        lines.append(f"| {num_workers} of {mode} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = made_photos(640)
    text = (
        "## Loader and step together\n\n"
        f"{table(load_folder(folder.parent, folder.name), max(1, usable_cores() - 1), arguments.rounds)}\n\n"
        "`custom`, training view, batches of 64. Speed of both together as a part of that of the slower one alone; "
        "benchmarks/loaders/end_to_end.py says how the step is simulated. The first processes of a run wait for a fork "
        "server, which imports torch (1.5 to 1.6 s here); the median is of later ones, which find it there. Median of "
        f"{arguments.rounds} rounds. Command: `python -m benchmarks.loaders.end_to_end`. {describe_machine()} "
        f"Load average at the end: {os.getloadavg()[0]:.1f}."
    )
    publish("end to end", text, arguments.print_only)


if __name__ == "__main__":
    main()
