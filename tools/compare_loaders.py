#!/usr/bin/env python3
"""Compare the loader backends on this machine, with your images and your network."""

import sys

from pycls.core.cli import Several, build_parser, run_tool

DESCRIPTION = """Measure every loader backend on the images of DATA_DIR (class folders, with or without train and val),
or on generated photographs; recommend backend and workers; write JSON, CSV and an HTML page into OUT_DIR.

Every cell of the grid (backend x workers x batch size x view x page cache) runs in processes of its own, in rounds of
random order. Ctrl-C keeps what was measured."""


def act(cfg, args) -> int:
    """Compare and print, or measure pytorch-cls's table."""
    from pycls.engine.reporting.result import report
    from pycls.loader_benchmark import Options, TableOptions, compare_loaders, loader_table

    kind, measure = (TableOptions, loader_table) if args.pytorch_cls_table else (Options, compare_loaders)
    given = {name: value for name, value in vars(args).items() if value is not None}
    options = kind(**{name: given[name] for name in kind.__dataclass_fields__ if name in given})
    return report(measure(cfg, args.paths, options))


def main() -> int:
    """Parse the command line and run."""
    example = "python tools/compare_loaders.py --cfg configs/benchmarks/loaders.yaml /path/to/images --quick"
    parser = build_parser(DESCRIPTION, example, paths="DATA_DIR")
    add = parser.add_argument
    names = {"nargs": "+", "action": Several, "metavar": "NAME"}
    numbers = names | {"const": int, "metavar": "N"}
    add("--quick", action="store_true", help="one round, all cores, warm cache, 256 images: a minute or two")
    add("--backends", **names, help="only these (custom: threads and processes)")
    add("--workers", **numbers, help="default: 1, a quarter, half and all of the cores")
    add("--batch-sizes", **numbers, help="default: TRAIN.BATCH_SIZE")
    add("--views", **names, help="train, eval; default: both")
    add("--caches", **names, help="warm, cold; default: both")
    add("--images", type=int, metavar="N", help="different images to draw, or to generate (640)")
    add("--rounds", type=int, metavar="N", help="times that every cell runs (3)")
    add("--epochs", type=int, metavar="N", help="timed epochs of a cell in each round (3)")
    add("--floats", action="store_true", help="measure normalized batches on the device, too")
    add("--model", choices=("best", "all", "none"), help="which training cells feed the network (best)")
    add("--minutes", type=float, metavar="M", help="begin no further cell after this")
    add("--pytorch-cls-table", action="store_true", help="instead: batch times keyed cores_workers_backend_RAM")
    add("--cpus", **numbers, help="cores that the table is measured on")
    add("--table-batch-size", type=int, metavar="N", dest="batch_size", help="of the table (200)")
    return run_tool(parser, act)


if __name__ == "__main__":
    sys.exit(main())
