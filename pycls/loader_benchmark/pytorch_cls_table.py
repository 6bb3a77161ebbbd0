"""The statistics of pytorch-cls's loader table: batch times of whole epochs, keyed C_W_B_R.

C cores (by affinity), W workers, B backend, R 1 when the data lies in memory (a tmpfs) and 0 when not. Per epoch mean,
standard deviation, minimum and maximum of the batch time, batches of 200 of the eval view, float on the device; the
first batch of the first epoch includes the start of the workers.
"""

import csv
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import dump_cfg
from pycls.core.logging import get_logger
from pycls.core.machine import usable_cores
from pycls.core.processes.temporary import temporary_folder
from pycls.core.stop_signals import accept
from pycls.datasets.readers.samples import FileSamples, Samples
from pycls.engine.reporting.result import Result
from pycls.engine.setup import setup_process
from pycls.loader_benchmark.grid import Cell, Variant, default_workers, variants
from pycls.loader_benchmark.measure.machine import as_plain, describe_machine
from pycls.loader_benchmark.measure.runner import run_task
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.options import check_one_process
from pycls.loader_benchmark.sources import NUM_PHOTOS, Source, find_sources, load_samples

logger = get_logger(__name__)

BATCH_SIZE, EPOCHS = 200, 3  # as there
_RAM = Path("/dev/shm")
_MAX_SHARE = 0.8  # of the free memory file system that a copy may take
_TIMEOUT_SEC = 24 * 3600.0


@dataclass(frozen=True)
class TableOptions:
    """What the table varies; empty lists mean: what suits the machine."""

    cpus: Sequence[int] = ()
    workers: Sequence[int] = ()
    backends: Sequence[str] = ()
    batch_size: int = BATCH_SIZE
    epochs: int = EPOCHS
    images: int = NUM_PHOTOS  # to generate, when no folder is given


@dataclass(frozen=True)
class TableRow:
    """One epoch of one cell; seconds."""

    key: str
    epoch: int
    batches: int
    mean_sec: float
    std_sec: float
    min_sec: float
    max_sec: float


def table_rows(key: str, epochs: Sequence[Sequence[float]]) -> list[TableRow]:
    """Return the statistics of each epoch's batch times; the standard deviation is that of the whole epoch (1/N)."""
    return [
        TableRow(key, number, len(times), mean(times), pstdev(times), min(times), max(times))
        for number, times in enumerate(epochs, 1)
    ]


def loader_table(cfg: CfgNode, folders: Sequence[str], options: TableOptions) -> Result:
    """Measure the table for every folder; print it and write JSON and CSV into OUT_DIR."""
    check_one_process(cfg)
    axes = _axes(options)
    sources = find_sources(cfg, folders, options.images)
    samples = [load_samples(source.point(cfg), source.flat, "test") for source in sources]
    setup_process(cfg)
    cfg_file = Path(cfg.OUT_DIR, cfg.CFG_DEST)
    cfg_file.write_text(dump_cfg(cfg))
    answers: dict[str, dict[str, Any]] = {source.title: {} for source in sources}
    interrupted = False
    try:
        for source, images in zip(sources, samples, strict=True):
            _measure_source(source, images, cfg_file, options, axes, answers[source.title])
    except KeyboardInterrupt as signal:
        accept(signal)
        interrupted = True
    return Result(files=_save(answers, Path(cfg.OUT_DIR)), interrupted=interrupted)


Axes = tuple[Sequence[int], Sequence[int], Sequence[Variant]]  # cores, workers, variants


def _measure_source(
    source: Source, samples: Samples, cfg_file: Path, options: TableOptions, axes: Axes, answers: dict[str, Any]
) -> None:
    with memory_copy(samples) as (copy, reason):
        if copy is None:
            logger.info("in RAM: not measured: %s", reason)
        places = [(0, source)] + ([(1, Source(source.title, str(copy), flat=True))] if copy else [])
        for cores, workers, variant, (ram, place) in itertools.product(*axes, places):
            key = table_key(cores, workers, variant, ram)
            task = _task(place, str(cfg_file), Cell(variant, workers, options.batch_size, "test"), options.epochs)
            answers[key] = run_task(task, sorted(os.sched_getaffinity(0))[:cores], _TIMEOUT_SEC)
            logger.info("%s", table_text(key, answers[key]))


def _axes(options: TableOptions) -> Axes:
    """Return cores, workers and variants; ValueError for more cores than there are, or a system without affinity."""
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError("the loader table limits cores by processor affinity, which this system lacks")
    most = usable_cores()
    cores = options.cpus or default_workers(most)
    if max(cores) > most or min(cores) < 1:
        raise ValueError(f"--cpus {max(cores)}: this process may use 1 to {most} cores")
    return cores, options.workers or default_workers(2 * most), variants(options.backends)


def table_key(cores: int, workers: int, variant: Variant, ram: int) -> str:
    """Return C_W_B_R."""
    return f"{cores}_{workers}_{variant.title.replace(' ', '-')}_{ram}"


def _task(source: Source, cfg_file: str, cell: Cell, epochs: int) -> Task:
    words = [*source.overrides(), *cell.loader_overrides(), *cell.batch_overrides()]
    return Task(
        kind="table", cfg_file=cfg_file, overrides=words, flat=source.flat, split="test", view="test", epochs=epochs
    )


def table_text(key: str, answer: dict[str, Any]) -> str:
    """Return one line an epoch."""
    if "error" in answer:
        return f"{key}: {answer['error']}"
    return "\n".join(
        f"{row.key} epoch {row.epoch}: batch time mean {row.mean_sec:.4f} s, std {row.std_sec:.4f}, "
        f"min {row.min_sec:.4f}, max {row.max_sec:.4f} ({row.batches} batches)"
        for row in table_rows(key, answer["epochs"])
    )


@contextmanager
def memory_copy(samples: Samples) -> Iterator[tuple[Path | None, str]]:
    """Copy the class folders of a split into memory for a while; yield (the copy, "") or (None, why there is none)."""
    if not isinstance(samples, FileSamples):
        yield None, f"packed data: copy it into {_RAM} and give that folder"
        return
    num_bytes = sum(os.path.getsize(samples.name(index)) for index in range(len(samples)))
    free = shutil.disk_usage(_RAM).free if _RAM.is_dir() else 0
    if num_bytes > _MAX_SHARE * free:
        yield None, f"{num_bytes / 1e9:.1f} GB do not fit into {_RAM} ({free / 1e9:.1f} GB free)"
        return
    with temporary_folder(_RAM) as place:
        yield Path(shutil.copytree(samples.root, place / Path(samples.root).name)), ""


def _save(answers: dict[str, dict[str, Any]], out_dir: Path) -> list[Path]:
    paths = [out_dir / f"loader_table.{kind}" for kind in ("json", "csv")]
    plain = {"machine": as_plain(describe_machine()), "batch_times_sec": answers}
    paths[0].write_text(json.dumps(plain, indent=1))
    with paths[1].open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["source", *TableRow.__dataclass_fields__, "error"])
        for title, cells in answers.items():
            for key, answer in cells.items():
                writer.writerows([title, *line] for line in _csv_lines(key, answer))
    return paths


def _csv_lines(key: str, answer: dict[str, Any]) -> list[list[Any]]:
    if "error" in answer:
        return [[key, *[""] * (len(TableRow.__dataclass_fields__) - 1), answer["error"]]]
    return [[*asdict(row).values(), ""] for row in table_rows(key, answer["epochs"])]
