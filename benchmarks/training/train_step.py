"""Images/s of a whole training step, ours beside the loops of pycls, torchvision and timm.

    python -m benchmarks.training.train_step  # one GPU: batches of 256 at 224 px, under 9 minutes
    python -m benchmarks.training.train_step --device cpu  # batches of 16 at 64 px, about 6 idle minutes on 2 cores
    python -m benchmarks.training.train_step --models ViT-S --formats bf16 --layouts NCHW NHWC --modes eager

Measured: everything between two batches of an epoch, that is forward, loss, backward, optimizer, moving average of the
weights (every 32 steps, in timm's loop every step), loss and errors, log lines (every 10 steps). Ours is the real
train_epoch with its log and metrics files; peers.py says what the others do. All have the same network, weights,
batch, optimizer settings, number format, memory layout and mode (eager, compiled, compiled into CUDA graphs); "timm's
loop and network" has timm's implementation of the same network.
Not measured: loading (the batch, noise, is on the device), compilation and the choice of algorithms (before the clock
starts), evaluation, checkpoints, several GPUs.

One process, loops in turns (rotation.py says how a block is timed). The clock is read when the device is done, twice a
block; apart from that a loop waits for the device only where its own code reads a value. Without --formats, --layouts
or --modes a selection is measured (`selection`); with one of them every combination of the three.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.report import command_line, describe_machine, publish, write_json
from benchmarks.rotation import LONGEST_BLOCK, Timed, time_loops
from benchmarks.time_limit import TimeLimit
from benchmarks.training.case import COMPILE_MODES, LAYOUTS, MODELS, Case, OurLoop
from benchmarks.training.floor import Rates, floor_seconds, measure_rates
from benchmarks.training.peers import PEERS
from benchmarks.training.verdicts import floor_table, table, verdicts
from pycls.engine.network.precision import DTYPES

OURS = "ours"
CONDITIONS = ("device", "size", "batch", "steps", "rounds", "photos")  # the options that a script's figures depend on
# Pixels, batch, steps of a block, blocks of each loop, steps to warm up, seconds in all. CPUs are less steady.
_DEFAULTS = {"cuda": (224, 256, 10, 3, 4, 500.0), "cpu": (64, 16, 6, 7, 2, 420.0)}


@dataclass
class Row:
    """A setting and what was measured in it."""

    case: Case
    timed: dict[str, Timed]
    floor_sec: tuple[float, float]  # arithmetic, memory


def main() -> None:
    """Measure, print, write."""
    arguments = parse()
    limit = TimeLimit(arguments.max_seconds)
    cases = selection(arguments)
    rates = measure_rates(arguments.device, list(dict.fromkeys(case.format for case in cases)))
    rows, skipped = measure(cases, arguments, rates, limit)
    publish(f"train step {arguments.device}", report(rows, skipped, rates, arguments), arguments.print_only)


def parse() -> argparse.Namespace:
    """Return the command line with the defaults of the device."""
    parser = command_line(__doc__)
    add_options(parser)
    parser.add_argument("--formats", nargs="+", choices=DTYPES)
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS)
    parser.add_argument("--modes", nargs="+", choices=COMPILE_MODES)
    parser.add_argument("--loops", nargs="+", choices=PEERS, default=list(PEERS), help="peers; ours is always there")
    return fill_defaults(parser.parse_args())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark of training steps can be told."""
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--size", type=int, help="pixels a side")
    parser.add_argument("--batch", type=int, help="images of a step")
    parser.add_argument("--steps", type=int, help="of a block")
    parser.add_argument("--rounds", type=int, help="blocks of each loop")
    parser.add_argument("--max-seconds", type=float, help="what does not fit into this time is left out")
    parser.add_argument("--json", type=Path, help="write the figures there, too")


def fill_defaults(arguments: argparse.Namespace) -> argparse.Namespace:
    """Put the device's defaults where nothing was given; ValueError for a block that is too long."""
    size, batch, steps, rounds, warmup, seconds = _DEFAULTS[arguments.device]
    arguments.size, arguments.batch = arguments.size or size, arguments.batch or batch
    arguments.steps, arguments.rounds, arguments.warmup = arguments.steps or steps, arguments.rounds or rounds, warmup
    arguments.max_seconds = arguments.max_seconds or seconds
    if arguments.steps > LONGEST_BLOCK:
        raise ValueError(f"--steps {arguments.steps}: expected at most {LONGEST_BLOCK} (rotation.py says why)")
    return arguments


def selection(arguments: argparse.Namespace) -> list[Case]:
    """Return the settings to measure, the most important first."""
    formats, layouts, modes = arguments.formats, arguments.layouts, arguments.modes
    on_gpu = arguments.device == "cuda"
    if formats or layouts or modes:
        given = formats or ("bf16",), layouts or ("NHWC",), modes or ("eager", "compiled")
        chosen = itertools.product(arguments.models, *given)
        return [build_case(arguments, *setting) for setting in chosen]
    modes = ("compiled", "eager") if on_gpu else ("eager",)
    chosen = [(model, "bf16", "NHWC", mode) for model in arguments.models for mode in modes]
    if on_gpu:  # last: CUDA graphs, fp16 as pycls and torchvision have it, and what full precision costs
        extra = [("bf16", "NHWC", "graphs"), ("fp16", "NCHW", "eager")]
        extra += [("fp32", "NHWC", "eager"), ("fp16", "NHWC", "compiled")]
        chosen += [("ResNet-50", *setting) for setting in extra if "ResNet-50" in arguments.models]
    else:
        # Depthwise convolutions are faster in full precision.
        chosen += [(model, "fp32", "NHWC", "eager") for model in arguments.models if model == "EfficientNet-B0"]
    return [build_case(arguments, *setting) for setting in chosen]


def build_case(arguments: argparse.Namespace, model: str, fmt: str, layout: str, mode: str) -> Case:
    """Return a setting with the sizes of the command line; each block has a log line."""
    period = min(10, arguments.steps)
    return Case(model, fmt, layout, mode, arguments.device, arguments.size, arguments.batch, period)


def measure(
    cases: Sequence[Case], arguments: argparse.Namespace, rates: Rates, limit: TimeLimit
) -> tuple[list[Row], list[str]]:
    """Return what was measured, and what was not with the reason."""
    builds = {OURS: OurLoop} | {name: PEERS[name] for name in arguments.loops}
    rows, skipped = [], []
    for case in cases:
        start = limit.elapsed()
        if not limit.fits(case.mode):
            skipped.append(f"{case}: no time left")
            save(rows, skipped, rates, arguments)
            continue
        try:
            with limit.piece(case.mode):
                timed = time_loops(case, builds, arguments.steps, arguments.rounds, arguments.warmup)
        except torch.OutOfMemoryError:
            skipped.append(f"{case}: out of memory")
            continue
        rows.append(Row(case, timed, floor_seconds(case, case.network(), rates)))
        save(rows, skipped, rates, arguments)  # after each, for the next may be cut off
        speeds = ", ".join(f"{name} {each.median:.1f}" for name, each in timed.items())
        print(f"{case}: {speeds} images/s ({limit.elapsed() - start:.0f} s)", flush=True)
    return rows, skipped


def report(rows: Sequence[Row], skipped: Sequence[str], rates: Rates, arguments: argparse.Namespace) -> str:
    """Return the section of RESULTS.md."""
    products = ", ".join(f"{name} {flops / 1e12:.2f} TFLOP/s" for name, flops in rates.flops.items())
    left_out = f"Left out: {'; '.join(skipped)}.\n\n" if skipped else ""
    memory = "of the loop alone" if arguments.device == "cuda" else "the whole process, all loops' weights in it"
    return (
        f"## A training step against pycls, torchvision and timm, {arguments.device}\n\n"
        f"{table(rows, OURS)}\n\n{left_out}"
        f"{chr(10).join(f'- {line}' for line in verdicts(rows, OURS))}\n\n"
        f"The floor (benchmarks/training/floor.py): matrix products at {products}; copies at "
        f"{rates.bytes / 1e9:.0f} GB/s.\n\n"
        f"{floor_table(rows, OURS)}\n\n"
        f"Median of {arguments.rounds} blocks of {arguments.steps} steps, in turns; spread: fastest - slowest block. "
        f"Memory: the peak, {memory}. {conditions('train_step', arguments)}"
    )


def conditions(script: str, arguments: argparse.Namespace, words: str = "") -> str:
    """Return what the figures of a script depend on, as sentences."""
    what = f"{arguments.batch} images of {arguments.size} px, {device_name(arguments.device)}"
    given = {name: value for name, value in vars(arguments).items() if name in CONDITIONS}
    sizes = " ".join(f"--{name} {value}" for name, value in given.items())
    return f"{what}. Command: `python -m benchmarks.{script} {sizes}{words}`. {describe_machine()}"


def save(rows: Sequence[Row], skipped: Sequence[str], rates: Rates, arguments: argparse.Namespace) -> None:
    """Write the figures so far into the file of --json, if one is given."""
    record = {"device": device_name(arguments.device), "machine": describe_machine(), "rates": asdict(rates)}
    record |= {"rows": flat(rows), "skipped": skipped, "verdicts": verdicts(rows, OURS)}
    write_json(arguments.json, record)


def flat(rows: Sequence[Row]) -> list[dict]:
    """Return one dict a loop and setting."""
    return [
        {
            **asdict(row.case),
            "loop": name,
            "images_per_sec": timed.median,
            "spread_pct": timed.spread_pct,
            "rounds": timed.rates,
            "peak_mb": timed.peak_mb,
            "floor_sec": row.floor_sec,
        }
        for row in rows
        for name, timed in row.timed.items()
    ]


def device_name(device: str) -> str:
    """Name what computes."""
    return torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
