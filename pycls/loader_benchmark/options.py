"""What a comparison measures, as the command line asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from yacs.config import CfgNode

from pycls.core.machine import usable_cores
from pycls.core.registry import pick
from pycls.loader_benchmark.grid import CACHES, VIEWS, default_workers, variants
from pycls.loader_benchmark.sources import NUM_PHOTOS


@dataclass(frozen=True)
class Options:
    """What to measure; empty lists mean: what suits the machine and the config."""

    backends: Sequence[str] = ()
    workers: Sequence[int] = ()
    batch_sizes: Sequence[int] = ()
    views: Sequence[str] = ("train", "eval")
    caches: Sequence[str] = ("warm", "cold")
    images: int = NUM_PHOTOS  # different files drawn from a source, at most
    rounds: int = 3
    epochs: int = 3  # timed epochs of a cell in each round
    floats: bool = False  # measure the float batches, too
    model: str = "best"  # feed the network from: "best" cells, "all", "none"
    minutes: float = 0.0  # begin no further cell after this; 0: no limit
    quick: bool = False  # fewer steps of the network; see `quick_options`


def quick_options(**given: Any) -> Options:
    """Return the options of a comparison of a few minutes; what is given counts.

    Two rounds of one epoch, for a difference says nothing without what repetitions differ by.
    """
    short: dict[str, Any] = {"rounds": 2, "epochs": 1, "images": 256, "caches": ("warm",), "workers": (usable_cores(),)}
    return Options(**(short | given), quick=True)


def settled(options: Options, cfg: CfgNode) -> Options:
    """Return options with nothing left open; ValueError for numbers that cannot be."""
    check_names(options)
    if cfg.TRAIN.BATCH_SIZE == 0:
        raise ValueError("TRAIN.BATCH_SIZE 0 leaves the batch to a training; to compare loaders set a number, say 16")
    workers = options.workers or default_workers(usable_cores())
    filled = replace(options, workers=workers, batch_sizes=options.batch_sizes or [cfg.TRAIN.BATCH_SIZE])
    if min(*filled.batch_sizes, filled.rounds, filled.epochs, filled.images) < 1 or min(workers) < 0:
        raise ValueError("--batch-sizes, --rounds, --epochs and --images must be 1 or more, --workers 0 or more")
    return filled


def check_names(options: Options) -> None:
    """Raise ValueError for a backend, view or cache that there is not."""
    variants(options.backends)
    for option, given, known in (("views", options.views, VIEWS.values()), ("caches", options.caches, CACHES)):
        for name in given:
            pick(dict.fromkeys(known), name, f"--{option}")


def check_one_process(cfg: CfgNode) -> None:
    """Raise ValueError for a config of several processes."""
    if cfg.NUM_GPUS != 1:
        raise ValueError(
            f"NUM_GPUS {cfg.NUM_GPUS}: loaders are compared on one process; use NUM_GPUS 1, a process's share of the "
            "batch, and --workers up to its share of the cores"
        )
