"""Compare the loader backends on this machine, with your images and your network."""

import argparse
from collections.abc import Sequence
from typing import Any

from yacs.config import CfgNode

from pycls.commands.number_types import positive, whole
from pycls.core.cli import OneLineParser, Several, build_parser, run_tool

DESCRIPTION = """Measure every loader backend on the images of DATA_DIR (class folders, with or without train and val),
or on generated photographs; recommend backend and workers; write JSON, CSV and an HTML page into OUT_DIR.

Every cell of the grid (backend x workers x batch size x view x page cache) runs in processes of its own, in rounds of
random order. Ctrl-C keeps what was measured."""
EXAMPLE = "--cfg configs/benchmarks/loaders.yaml /path/to/images --quick"

_QUICK = "two rounds of one epoch, all cores, warm cache, 256 images, unless you say otherwise: a few minutes"
_WORKERS, _BATCH, _REPEATS, _IMAGES = whole(0, 1024), whole(1, 65536), whole(1, 1000), whole(1, 10**7)


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Compare and print, or measure pytorch-cls's table."""
    from pycls.engine.reporting.result import report
    from pycls.loader_benchmark import Options, TableOptions, compare_loaders, loader_table, quick_options

    known, unknown = (TableOptions, Options) if args.pytorch_cls_table else (Options, TableOptions)
    _check_of_this_kind(args, known, unknown)
    given = {name: value for name in known.__dataclass_fields__ if (value := getattr(args, name, None)) is not None}
    if args.pytorch_cls_table:
        if args.images and args.paths:
            raise ValueError("--images: the table times whole epochs of DATA_DIR; it says how many images to generate")
        return report(loader_table(cfg, args.paths, TableOptions(**given)))
    options = quick_options if given.pop("quick") else Options
    return report(compare_loaders(cfg, args.paths, options(**given)))


def _check_of_this_kind(args: argparse.Namespace, known: Any, unknown: Any) -> None:
    """Raise ValueError for an option that only the other kind of measurement has."""
    for name in unknown.__dataclass_fields__:
        if getattr(args, name, None) and name not in known.__dataclass_fields__:
            option = "--table-batch-size" if name == "batch_size" else f"--{name.replace('_', '-')}"
            needed = "without" if args.pytorch_cls_table else "with"
            raise ValueError(f"{option} has a meaning only {needed} --pytorch-cls-table")


def add_options(parser: OneLineParser) -> None:
    """Add the command's own options."""
    add = parser.add_argument
    names: dict[str, Any] = {"nargs": "+", "action": Several, "metavar": "NAME"}
    numbers: dict[str, Any] = {"nargs": "+", "action": Several, "metavar": "N"}
    add("--quick", action="store_true", help=_QUICK)
    add("--backends", **names, help="only these (custom: threads and processes)")
    add("--workers", **numbers, const=_WORKERS, help="default: 1, a quarter, half and all of the cores")
    add("--batch-sizes", **numbers, const=_BATCH, help="default: TRAIN.BATCH_SIZE")
    add("--views", **names, help="train, eval; default: both")
    add("--caches", **names, help="warm, cold; default: both")
    add("--images", type=_IMAGES, metavar="N", help="different images to draw, or to generate (640)")
    add("--rounds", type=_REPEATS, metavar="N", help="times that every cell runs (3)")
    add("--epochs", type=_REPEATS, metavar="N", help="timed epochs of a cell in each round (3)")
    add("--floats", action="store_true", help="measure normalized batches on the device, too")
    add("--model", choices=("best", "all", "none"), help="which training cells feed the network (best)")
    add("--minutes", type=positive("minutes"), metavar="M", help="begin no further cell after this")
    add("--pytorch-cls-table", action="store_true", help="instead: batch times keyed cores_workers_backend_RAM")
    add("--cpus", **numbers, const=whole(1), help="cores that the table is measured on")
    add("--table-batch-size", type=_BATCH, metavar="N", dest="batch_size", help="of the table (200)")


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    parser = build_parser(prog, DESCRIPTION, EXAMPLE, paths="DATA_DIR")
    add_options(parser)
    return run_tool(parser, act, words, "compare-loaders")
