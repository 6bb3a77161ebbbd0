"""Measure what a run costs besides its steps: start, end of an epoch, saving, long lists, several processes.

    python -m benchmarks.training.fixed_costs  # under 5 idle minutes; writes its section of benchmarks/RESULTS.md
    python -m benchmarks.training.fixed_costs --print-only --epochs 2 --sizes 1000 100000 --ranks 1 2 --rounds 1

Each line is measured in a process of its own. The lists repeat 64 real images (see benchmarks/loaders/memory.py).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.loaders.__main__ import build_view
from benchmarks.loaders.memory import load_samples, write_long_list
from benchmarks.report import ROOT, command_line, describe_machine, publish
from pycls.core import distributed
from pycls.core.async_save import Background, snapshot
from pycls.core.checkpoint import save_checkpoint
from pycls.core.config import load_cfg
from pycls.datasets.backends.base import BackendOptions
from pycls.datasets.backends.custom import CustomBackend
from pycls.datasets.loader import Loader
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.normalize import Normalize
from pycls.engine.network.precision import Precision
from pycls.engine.state import build_state, pack_state

_DIGITS, _RESNET = "configs/quickstart/digits.yaml", "configs/baselines/R-50.yaml"
_BATCH_SIZE = 64
Row = dict[str, Any]


# ---- the parts of a run


def run_in_parts(folder: Path, epochs: int, overrides: list[str]) -> Row:
    """Train the quickstart's network in a fresh process; return what phases.py prints."""
    words = ["OUT_DIR", str(folder), *(["OPTIM.MAX_EPOCH", str(epochs)] if epochs else []), *overrides]
    command = [sys.executable, "-m", "benchmarks.training.phases", str(time.time()), _DIGITS, *words]
    return _answer(command, {"TORCHINDUCTOR_CACHE_DIR": str(folder / "compiler")})


def parts_table(folder: Path, epochs: int) -> str:
    """Return the wall time of the quickstart, in parts, as it is and compiled."""
    run_in_parts(folder / "warm", 1, ["OPTIM.WARMUP_EPOCHS", "0"])  # files cached, images exported
    runs = {"as it is": run_in_parts(folder / "plain", epochs, [])}
    compiled = ["TRAIN.COMPILE", "True"]
    runs["TRAIN.COMPILE True"] = run_in_parts(folder / "compiled", min(epochs or 5, 5), compiled)
    lines = ["| seconds | " + " | ".join(runs) + " |", "|---|" + "---:|" * len(runs)]
    for part in next(iter(runs.values()))["seconds"]:
        lines.append(_row(part, *(f"{run['seconds'][part]:.2f}" for run in runs.values())))
    lines.append(_row("**total**", *(f"**{run['total']:.1f}**" for run in runs.values())))
    lines.append(
        _row("from the command to the end of the first step", *(f"{r['first_step']:.2f}" for r in runs.values()))
    )
    gaps = (median(run["gaps"]) if run["gaps"] else float("nan") for run in runs.values())
    lines.append(_row("from an epoch to the next, without evaluation and precise BN", *(f"{gap:.3f}" for gap in gaps)))
    shares = (100 * run["seconds"]["evaluate"] / run["total"] for run in runs.values())
    lines.append(_row("evaluation's share (%)", *(f"{share:.1f}" for share in shares)))
    return "\n".join(lines)


# ---- saving


def time_saving(cfg_file: str, folder: Path, rounds: int) -> Row:
    """Return milliseconds that a training loop stands still for a checkpoint, written at once and in the background."""
    cfg = load_cfg(str(ROOT / cfg_file))
    device = distributed.pick_device("auto")
    state = build_state(cfg, device, Precision(device).scaler())
    for parameter in state.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()  # the moments exist from now on
    path, saver, found = folder / "state.pyth", Background("saver"), []
    with closing(saver):
        for _ in range(rounds):
            found.append(_time_one_saving(lambda: pack_state(state, cfg, {}), path, saver, device))
    at_once, stalls, written = (1000 * median(values) for values in zip(*found, strict=True))
    size_mb = path.stat().st_size / 1e6
    return {"config": Path(cfg_file).stem, "mb": size_mb, "at_once": at_once, "stall": stalls, "written": written}


def _time_one_saving(pack: Callable[[], Row], path: Path, saver: Background, device: torch.device) -> list[float]:
    """Return seconds of: saving at once, handing over to the background, and until the file is whole."""
    moments = [_now(device)]
    save_checkpoint(pack(), path)
    moments.append(_now(device))
    state = snapshot(pack())
    saver.submit(lambda: save_checkpoint(state, path))
    moments.append(_now(device))
    saver.wait()
    return [moments[1] - moments[0], moments[2] - moments[1], _now(device) - moments[1]]


def _now(device: torch.device) -> float:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return time.perf_counter()


# ---- long lists


def time_list(file: Path) -> Row:
    """Return what a list of images costs: seconds to open, to order, and between two epochs; MB of this process."""
    start = time.perf_counter()
    samples = load_samples(file)
    opened = time.perf_counter()
    epoch_order(0, 0, len(samples))
    ordered = time.perf_counter()
    device, view = torch.device("cpu"), build_view(train=True, antialias=True)
    options = BackendOptions(
        num_workers=1, prefetch=2, worker_mode="threads", pin_memory=False, device=device, max_batch=_BATCH_SIZE
    )
    backend = CustomBackend(samples, view, options)
    loader = Loader(
        samples, view, backend, Normalize((0.5,) * 3, (0.25,) * 3, device), batch_size=_BATCH_SIZE, device=device
    )
    first, second, third = (_first_batch_sec(loader, epoch, pause_sec=4.0 if epoch == 0 else 0.0) for epoch in range(3))
    loader.close()
    return {
        "open": opened - start,
        "order": ordered - opened,
        "first": first,
        "next": second,
        "at once": third,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def _first_batch_sec(loader: Loader, epoch: int, pause_sec: float) -> float:
    """Return seconds until an epoch's first batch is there; then leave the rest of the epoch after a pause."""
    start = time.perf_counter()
    with closing(loader.epoch(epoch)) as batches:
        next(batches)
        seconds = time.perf_counter() - start
        time.sleep(pause_sec)
    return seconds


def lists_table(folder: Path, sizes: list[int]) -> str:
    """Return the costs of lists of these lengths."""
    lines = [
        "| images | the list opens in | its order takes | first batch of a run | of the next epoch "
        "| of one that begins at once | memory of the process |",
        "|---:|" + "---:|" * 6,
    ]
    for size in sizes:
        row = _alone("list", write_long_list(folder, size))
        times = (f"{row[key]:.3f} s" for key in ("open", "order", "first", "next", "at once"))
        lines.append(_row(f"{size:,}", *times, f"{row['mb']:.0f} MB"))
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


# ---- several processes


def ranks_table(ranks: list[int]) -> str:
    """Return the costs of so many processes."""
    lines = ["| processes | all there after | a step | an agreement to stop |", "|---:|---:|---:|---:|"]
    for count in ranks:
        row = _answer([sys.executable, "-m", "benchmarks.training.ranks", str(count)])
        lines.append(_row(str(count), f"{row['launch']:.2f} s", f"{row['step']:.2f} ms", f"{row['agree']:.3f} ms"))
    return "\n".join(lines)


# ---- all of it

_ALONE: dict[str, Callable[..., Row]] = {
    "saving": lambda cfg_file, folder, rounds: time_saving(cfg_file, Path(folder), int(rounds)),
    "list": lambda file: time_list(Path(file)),
}


def _alone(name: str, *words: Any) -> Row:
    """Measure one line in a process of its own."""
    return _answer([sys.executable, "-m", "benchmarks.training.fixed_costs", "--one", name, *map(str, words)])


def _answer(command: list[str], environment: dict[str, str] | None = None) -> Row:
    settings = {**os.environ, **(environment or {})}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=settings)
    return json.loads(done.stdout.splitlines()[-1])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def saving_table(folder: Path, rounds: int) -> str:
    """Return what a checkpoint costs the training loop."""
    lines = [
        "| state of | size | written at once | now the loop stands still for | whole after |",
        "|---|" + "---:|" * 4,
    ]
    for cfg_file in (_DIGITS, _RESNET):
        row = _alone("saving", cfg_file, folder, rounds)
        times = (f"{row[key]:.1f} ms" for key in ("at_once", "stall", "written"))
        lines.append(_row(row["config"], f"{row['mb']:.1f} MB", *times))
    return "\n".join(lines)


def report(folder: Path, arguments: argparse.Namespace) -> str:
    """Measure everything and return it as Markdown."""
    return f"""## Fixed costs

### The quickstart, in parts

{parts_table(folder, arguments.epochs)}

`python tools/train_net.py --cfg {_DIGITS}`{f", {arguments.epochs} epochs" if arguments.epochs else ""}; compiled: at
most 5 epochs, the compiler's cache empty. "save" is what the loop stands still for. "first step's surplus": what the
first step takes beyond the median, compilation above all; "train" is without it.

### Saving a checkpoint

{saving_table(folder, arguments.rounds)}

Median of {arguments.rounds} rounds. "At once" is how checkpoints were written before; the bytes are the same. While one
is being written, a copy of the state takes its size in host memory.

### Length of the list of images

{lists_table(folder, arguments.sizes)}

Index only: a list as a scan leaves it in its cache, which repeats 64 photographs; the first batch has {_BATCH_SIZE} of
them at 224 px, one thread. From 100,000 images on the next epoch's order is computed meanwhile; the third epoch, which
begins right after the second one's first batch, has to wait for its own.

### Number of processes

{ranks_table(arguments.ranks)}

gloo, one thread each, the quickstart's network with 8 images on each process. A process has to import torch first.

Command: `python -m benchmarks.training.fixed_costs`. {describe_machine()}
Load average at the end: {os.getloadavg()[0]:.1f}."""


def main() -> None:
    """Measure all, or with --one a single line."""
    parser = command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=0, help="of the quickstart (default: as its config says)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**power for power in range(3, 8)])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--rounds", type=int, default=5, help="of saving")
    parser.add_argument("--one", nargs="+", help="measure one line (used by the benchmark itself)")
    arguments = parser.parse_args()
    if arguments.one:
        name, *words = arguments.one
        print(json.dumps(_ALONE[name](*words)))
        return
    with tempfile.TemporaryDirectory() as folder:
        publish("fixed costs", report(Path(folder), arguments), arguments.print_only)


if __name__ == "__main__":
    main()
