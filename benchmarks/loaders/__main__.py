"""Time every loader backend against plain torchvision + Pillow, in interleaved runs, each in a process of its own.

    python -m benchmarks.loaders  # about 6 idle minutes; writes its section of benchmarks/RESULTS.md
    python -m benchmarks.loaders --rounds 5 --data-dir DIR --workers 4

A run is one epoch to warm up (workers started, files cached) and one that is timed. The baseline is what the PyTorch
ImageNet example does: ImageFolder, RandomResizedCrop or Resize + CenterCrop, flip, ToTensor, Normalize, a DataLoader.
Ratios are to the mean of the baseline runs just before and after, so that a machine that slows down slows both.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.loaders.dali_reader import read_with_dali
from benchmarks.loaders.photos import made_photos
from benchmarks.report import ROOT, command_line, describe_machine, publish
from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.backends.base import FileBackend
from pycls.datasets.backends.custom import CustomBackend
from pycls.datasets.backends.dali import DaliBackend
from pycls.datasets.backends.torch_dataloader import TorchBackend
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import FileSamples, pack_names
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.transforms.view import View

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BACKENDS = {"custom": CustomBackend, "torch": TorchBackend, "dali_cpu": DaliBackend}
# Other work on the machine shows in the baseline: runs are kept when its speed before and after differs by less.
_STEADY, _MAX_TRIES = 1.15, 3


DALI_READER = "DALI's own reader"  # the peer of dali_cpu
_LEAST_OF_READER = 0.95  # of its speed


@dataclass(frozen=True)
class Case:
    """One thing to time."""

    loader: str  # "torchvision", DALI_READER or a backend
    train: bool = True
    antialias: bool = True
    floats: bool = False  # normalized on the CPU, as without a GPU; else uint8, as handed to one
    worker_mode: str = "auto"
    decoder: str = ""  # of the custom backend, as DATA_LOADER.JPEG
    packed: str = ""  # a key of PACKINGS; empty: the folder

    @property
    def title(self) -> str:
        """Name the loader as in the table."""
        packing = f"packed {self.packed}" if self.packed else ""
        parts = (self.loader, self.decoder, self.worker_mode, packing)
        return ", ".join(part for part in parts if part not in ("", "auto"))


# FFCV at 500 px, half of the images raw, had 3.14 times the baseline (not installed here; other photos, 301 KB each).
PACKINGS = {
    "as they are": PackOptions(),
    "--max-side 500": PackOptions(max_side=500),
    "--max-side 500 --reencode-all": PackOptions(max_side=500, reencode_all=True),
}
BASELINES = {train: Case("torchvision", train, floats=True) for train in (True, False)}
# What to time, and the least ratio to the baseline that we want.
GOALS = {
    Case("torchvision"): None,
    Case("custom", decoder="c"): 2.9,
    Case("custom", decoder="opencv"): 2.0,
    Case("custom", decoder="c", worker_mode="processes"): None,
    Case("torch"): 1.7,
    Case("dali_cpu"): 1.45,
    Case(DALI_READER): None,
    Case("custom", floats=True, decoder="c"): 2.4,
    Case("custom", floats=True, decoder="opencv"): 1.75,
    Case("torch", floats=True): None,
    Case("custom", antialias=False, decoder="c"): 3.1,
    Case("custom", antialias=False, decoder="opencv"): 2.4,
    Case("torch", antialias=False): None,
    Case("dali_cpu", antialias=False): None,
    Case("custom", train=False, decoder="c"): 2.9,
    Case("custom", train=False, decoder="opencv"): 2.0,
    Case("torch", train=False): 1.9,
    Case("dali_cpu", train=False): 1.5,
    Case(DALI_READER, train=False): None,
    Case("custom", decoder="c", packed="as they are"): None,
    Case("custom", decoder="c", packed="--max-side 500"): 3.14,
    Case("custom", decoder="c", packed="--max-side 500 --reencode-all"): 3.14,
}
CASES = tuple(GOALS)
Epoch = Callable[[int], Iterator[torch.Tensor]]


def time_case(case: Case, folder: Path, num_workers: int, batch_size: int) -> float:
    """Return images/s of the second epoch."""
    builders = {"torchvision": _torchvision_epochs, DALI_READER: _dali_epochs}
    epoch = builders.get(case.loader, _backend_epochs)(case, folder, num_workers, batch_size)
    for _ in epoch(0):
        pass
    start, count = time.perf_counter(), 0
    for batch in epoch(1):
        count += len(batch)
    return count / (time.perf_counter() - start)


def _torchvision_epochs(case: Case, folder: Path, num_workers: int, batch_size: int) -> Epoch:
    train = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
    evaluation = [transforms.Resize(256), transforms.CenterCrop(224)]
    to_floats = [transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)]
    steps = (train if case.train else evaluation) + (to_floats if case.floats else [transforms.PILToTensor()])
    dataset = ImageFolder(str(folder), transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size, shuffle=case.train, num_workers=num_workers, persistent_workers=True)
    return lambda epoch: (images for images, _ in loader)


def _dali_epochs(case: Case, folder: Path, num_workers: int, batch_size: int) -> Epoch:
    shown = read_with_dali(
        folder, train=case.train, antialias=case.antialias, num_workers=num_workers, batch_size=batch_size
    )
    num_batches = len(_samples(folder)) // batch_size
    return lambda epoch: itertools.islice(shown, num_batches)


def _backend_epochs(case: Case, folder: Path, num_workers: int, batch_size: int) -> Epoch:
    samples = _packed(folder, case.packed) if case.packed else _samples(folder)
    backend = _build_backend(case, samples, num_workers, batch_size)
    finish = Normalize(_MEAN, _STD, torch.device("cpu")) if case.floats else torch.nn.Identity()

    def run(epoch: int) -> Iterator[torch.Tensor]:
        order = epoch_order(0, epoch, len(samples)) if case.train else np.arange(len(samples))
        batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        return (finish(batch) for batch in backend.batches(epoch, batches))

    return run


def _build_backend(case: Case, samples: FileSamples | PackedSamples, num_workers: int, batch_size: int) -> FileBackend:
    return _BACKENDS[case.loader](
        samples,
        build_view(case.train, case.antialias),
        num_workers=num_workers,
        prefetch=3,
        worker_mode=case.worker_mode,
        pin_memory=False,
        device=torch.device("cpu"),
        max_batch=batch_size,
        **({"decoder": case.decoder} if case.decoder else {}),
    )


def build_view(train: bool, antialias: bool) -> View:
    """Return ImageNet's crops."""
    return View(train, 224, 256, (0.08, 1.0), (3 / 4, 4 / 3), 0.5, "torchvision", antialias, seed=0)


def _samples(folder: Path) -> FileSamples:
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.JPEG"))
    return FileSamples(str(folder), pack_names(names), np.zeros(len(names), np.int64), ("photo",))


def _packed(folder: Path, packing: str) -> PackedSamples:
    """Pack the photos, the first time, beside their folder."""
    target = folder.with_name(f"{folder.name}_packed{packing.replace(' ', '_')}")
    return load_packed(pack_split(load_folder(folder.parent, folder.name), target, "photos", PACKINGS[packing], 2))


def run_rounds(arguments: argparse.Namespace) -> dict[Case, list[tuple[float, float]]]:
    """Return (images/s, ratio) of every round, for each case and for the baselines."""
    results: dict[Case, list[tuple[float, float]]] = {case: [] for case in (*BASELINES.values(), *CASES)}
    for number in range(arguments.rounds):
        for train, baseline in BASELINES.items():
            cases = [case for case in CASES if case.train == train]
            random.Random(number).shuffle(cases)
            _run_block(baseline, cases, results, arguments)
    return results


def _run_block(baseline: Case, cases: list[Case], results: dict, arguments: argparse.Namespace) -> None:
    """Time cases three by three, with the baseline before and after; do it again when the machine was not steady."""
    before = _run_alone(baseline, arguments)
    for three in (cases[start : start + 3] for start in range(0, len(cases), 3)):
        for _ in range(_MAX_TRIES):
            speeds = [_run_alone(case, arguments) for case in three]
            first, before = before, _run_alone(baseline, arguments)
            if max(first, before) < _STEADY * min(first, before):
                break
        for case, speed in zip(three, speeds, strict=True):
            results[case].append((speed, 2 * speed / (first + before)))
        results[baseline].append((before, 1.0))


def _run_alone(case: Case, arguments: argparse.Namespace) -> float:
    """Time one case in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.loaders.__main__", "--one", json.dumps(asdict(case))]
    command += ["--data-dir", str(arguments.data_dir), "--workers", str(arguments.workers)]
    command += ["--batch-size", str(arguments.batch_size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    speed = float(done.stdout.split()[-1])
    print(f"{speed:8.0f} images/s  {case}", flush=True)
    return speed


def table(results: dict[Case, list[tuple[float, float]]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| view | loader | antialias | output | images/s | ratio | range of the ratio |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for case, runs in sorted(results.items(), key=lambda item: not item[0].train):
        speed, ratios = median(run[0] for run in runs), [run[1] for run in runs]
        lines.append(
            f"| {'train' if case.train else 'eval'} | {case.title} | {'yes' if case.antialias else 'no'} "
            f"| {'float32' if case.floats else 'uint8'} | {speed:.0f} | **{median(ratios):.2f}** "
            f"| {min(ratios):.2f}-{max(ratios):.2f} |"
        )
    return "\n".join(lines)


def check_goals(results: dict[Case, list[tuple[float, float]]]) -> str:
    """Return one sentence on the goals."""
    missed = []
    for case, goal in GOALS.items():
        ratio = median(run[1] for run in results[case])
        if goal is not None and ratio < goal:
            view = f"{'train' if case.train else 'eval'}{'' if case.antialias else ', plain'}"
            missed.append(f"{case.title} ({view}{', float32' if case.floats else ''}) {ratio:.2f} instead of {goal}")
    for train in (True, False):
        ours, peer = (median(run[1] for run in results[Case(name, train)]) for name in ("dali_cpu", DALI_READER))
        if ours < _LEAST_OF_READER * peer:
            missed.append(f"dali_cpu ({'train' if train else 'eval'}) {ours / peer:.2f} of {DALI_READER}")
    return f"Goals missed: {'; '.join(missed)}." if missed else "All goals are met."


def write_report(results: dict[Case, list[tuple[float, float]]], arguments: argparse.Namespace) -> None:
    """Put the table into RESULTS.md."""
    photos = list(Path(arguments.data_dir).glob("*/*.JPEG"))
    size = np.mean([path.stat().st_size for path in photos]) / 1e3
    text = (
        "## Loader backends against torchvision + Pillow\n\n"
        f"{table(results)}\n\n"
        f"{check_goals(results)}\n\n"
        f"{len(photos)} photos of {size:.0f} KB on average (benchmarks/loaders/photos.py), in the page cache; "
        f"{arguments.workers} workers, batches of {arguments.batch_size}, 224 px; median of {arguments.rounds} rounds. "
        "The first row of each view is the baseline (ratio 1). uint8 is what goes to a GPU, which normalizes it in no "
        "time; float32 is normalized on the CPU, as the baseline does it.\n\n"
        f"Command: `python -m benchmarks.loaders --rounds {arguments.rounds}`. {describe_machine()} "
        f"Load average at the end: {os.getloadavg()[0]:.1f} (the benchmark itself makes about {arguments.workers})."
    )
    publish("loaders", text, arguments.print_only)


def main() -> None:
    """Run all rounds, or with --one a single case."""
    parser = command_line(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="worker processes or threads of every loader")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--num-images", type=int, default=640, help="photos to make when --data-dir is not given")
    parser.add_argument("--data-dir", type=Path, help="a tree of class folders with .JPEG files; default: made photos")
    parser.add_argument("--one", metavar="JSON", help="time one case and print images/s (used by the benchmark itself)")
    arguments = parser.parse_args()
    if arguments.one:
        case = Case(**json.loads(arguments.one))
        print(time_case(case, arguments.data_dir, arguments.workers, arguments.batch_size))
        return
    if arguments.data_dir is None:
        arguments.data_dir = made_photos(arguments.num_images)
    write_report(run_rounds(arguments), arguments)


if __name__ == "__main__":
    main()
