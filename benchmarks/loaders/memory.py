"""Measure what a list of millions of images costs in memory, over epochs, backends and workers.

    python -m benchmarks.loaders.memory  # about 6 minutes; writes its section of benchmarks/RESULTS.md
    python -m benchmarks.loaders.memory --images 1281167 --workers 8 --backends custom

The images of the list are 64 real ones, over and over: everything is run as in training, but the first batches of an
epoch are enough, since its order covers the whole list. Memory is the proportional set size (PSS) of all processes: a
page that k processes share counts 1/k in each, so the sum is what the machine has to hold. Each run is a process of its
own; what the list costs is the difference to a run with 10,000 images.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.loaders.__main__ import build_view
from benchmarks.report import ROOT, command_line, describe_machine, publish
from pycls.dataset_tools.packing.options import PackOptions
from pycls.dataset_tools.packing.writer import pack_split
from pycls.datasets.backends.custom import CustomBackend
from pycls.datasets.backends.torch_dataloader import TorchBackend
from pycls.datasets.loader import Loader
from pycls.datasets.readers.array_files import map_arrays, write_arrays
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import FileSamples, Names
from pycls.datasets.readers.tar import PackedSamples
from pycls.datasets.readers.tar_index import index_file, load_index, write_index
from pycls.datasets.synthetic import write_photos
from pycls.datasets.transforms.normalize import Normalize
from pycls.loader_benchmark.measure.process_tree import tree

_BACKENDS = {"custom": (CustomBackend, "processes"), "torch": (TorchBackend, "processes")}
_NUM_REAL, _NUM_SMALL = 64, 10_000
_BATCH_SIZE, _NUM_BATCHES, _NUM_EPOCHS = 64, 20, 4
_MB = 1e6


def write_long_index(folder: Path, num_images: int) -> Path:
    """Write photos, pack them, and write an index of `num_images` that repeats them; return it."""
    photos, real = folder / "photos", index_file(folder, "photos")
    write_photos(photos, _NUM_REAL)
    if not real.exists():
        pack_split(load_folder(folder, "photos"), folder, "photos", PackOptions(), 2)
    index, long = load_index(real), index_file(folder, f"long_{num_images}")
    rows = np.arange(num_images) % _NUM_REAL
    write_index(long, index.images[rows], index.labels[rows], _long_names(num_images), index.classes, index.shards, {})
    return long


def _long_names(num_images: int) -> Names:
    """Return names as long as ImageNet's; nobody asks for them but error messages."""
    name = b"n00000000/n00000000_00000.JPEG"
    return Names(name * num_images, np.arange(num_images + 1) * len(name))


def write_long_list(folder: Path, num_images: int) -> Path:
    """Write a list of `num_images` files, as scanning a folder leaves it, that repeats real ones; return it."""
    write_photos(folder / "photos", _NUM_REAL)
    paths = [path.relative_to(folder) for path in sorted((folder / "photos").glob("*/*.JPEG"))]
    name = b"".join(os.fsencode(path) for path in paths)  # all of one length
    length, repeats = len(name) // _NUM_REAL, -(-num_images // _NUM_REAL)
    arrays = {
        "paths": np.frombuffer((name * repeats)[: num_images * length], np.uint8),
        "offsets": np.arange(num_images + 1) * length,
        "labels": np.zeros(num_images, np.int64),
    }
    file = folder / f"list_{num_images}"
    write_arrays(file, "list", 1, {}, arrays)
    return file


def load_samples(file: Path) -> FileSamples | PackedSamples:
    """Open what one of the two functions above wrote."""
    if file.suffix == ".index":
        return PackedSamples(file)
    arrays = map_arrays(file, "list", 1).arrays
    return FileSamples(str(file.parent), Names(arrays["paths"], arrays["offsets"]), arrays["labels"], ("photo",))


def run_epochs(file: Path, backend: str, num_workers: int) -> dict[str, list[float]]:
    """Run a few epochs and return, after each, MB of all processes, of one worker, and of the mapped list in all."""
    start = time.perf_counter()
    samples = load_samples(file)
    opened_sec = time.perf_counter() - start
    kind, mode = _BACKENDS[backend]
    options = {"num_workers": num_workers, "prefetch": 2, "worker_mode": mode, "pin_memory": False}
    cpu, view = torch.device("cpu"), build_view(train=True, antialias=True)
    images = kind(samples, view, **options, device=cpu, max_batch=_BATCH_SIZE)
    finish = Normalize((0.5,) * 3, (0.25,) * 3, cpu)
    loader = Loader(samples, view, images, finish, batch_size=_BATCH_SIZE, device=cpu)
    found: dict[str, list[float]] = {"opened_sec": [opened_sec], "all": [], "worker": [], "file": []}
    for epoch in range(_NUM_EPOCHS):
        for _ in itertools.islice(loader.epoch(epoch), _NUM_BATCHES):
            pass
        processes = [process.pid for process in tree()]
        found["all"].append(sum(pss_mb(process, file, everything=True) for process in processes))
        found["worker"].append(max(pss_mb(process, file, everything=True) for process in processes[1:]))
        found["file"].append(sum(pss_mb(process, file, everything=False) for process in processes))
    loader.close()
    return found


def pss_mb(process: int, file: Path, everything: bool) -> float:
    """Return the proportional set size in MB of what a process maps of a list, or of that and all its own memory.

    Program code is left out: how many processes share it depends on what else runs on the machine.
    """
    counted, total_kb = False, 0
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the first line of a mapping
            name = words[5] if len(words) > 5 else ""
            counted = name.startswith(f"{file}/") or (everything and (name[:1] != "/" or name.startswith("/dev/shm")))
        elif counted and words[0] == "Pss:":
            total_kb += int(words[1])
    return 1024 * total_kb / _MB


def _run_alone(file: Path, backend: str, num_workers: int) -> dict[str, list[float]]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.loaders.memory", "--one", str(file)]
    command += ["--backends", backend, "--workers", str(num_workers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])


def table(folder: Path, arguments: argparse.Namespace) -> str:
    """Run all cases and return the results as Markdown."""
    epochs = " | ".join(f"epoch {epoch + 1}" for epoch in range(_NUM_EPOCHS))
    lines = [
        f"| list | backend | workers | opened in | the file itself | the list costs: {epochs} | of it a worker |",
        "|---|---|---:|---:|---:|" + "---:|" * (_NUM_EPOCHS + 1),
    ]
    for title, write in (("packed index", write_long_index), ("folder", write_long_list)):
        long, short = write(folder, arguments.images), write(folder, _NUM_SMALL)
        for backend, workers in itertools.product(arguments.backends, arguments.workers):
            found, base = _run_alone(long, backend, workers), _run_alone(short, backend, workers)
            costs = [f"{all_mb - base_mb:.0f} MB" for all_mb, base_mb in zip(found["all"], base["all"], strict=True)]
            worker = found["worker"][-1] - base["worker"][-1]
            lines.append(
                f"| {title} | {backend} | {workers} | {found['opened_sec'][0]:.3f} s | {found['file'][-1]:.0f} MB "
                f"| {' | '.join(costs)} | {worker:.0f} MB |"
            )
            print(lines[-1], flush=True)
    return "\n".join(lines)


def write_report(arguments: argparse.Namespace) -> None:
    """Put the table into RESULTS.md."""
    with tempfile.TemporaryDirectory() as folder:
        rows = table(Path(folder), arguments)
    text = (
        "## Memory of a long list of images\n\n"
        f"{arguments.images:,} images against {_NUM_SMALL:,}; proportional set size of all processes together, "
        f'after each epoch. "The file itself" is what all of them map of the list.\n\n{rows}\n\n'
        f"Command: `python -m benchmarks.loaders.memory --images {arguments.images}`. {describe_machine()}"
    )
    publish(f"memory {arguments.images}", text, arguments.print_only)


def main() -> None:
    """Run all cases, or with --one a single one."""
    parser = command_line(__doc__)
    parser.add_argument("--images", type=int, default=5_000_000, help="length of the list")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--backends", nargs="+", choices=_BACKENDS, default=list(_BACKENDS))
    parser.add_argument("--one", metavar="FILE", type=Path, help="run one case (used by the benchmark itself)")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_epochs(arguments.one, arguments.backends[0], arguments.workers[0])))
    else:
        write_report(arguments)


if __name__ == "__main__":
    main()
