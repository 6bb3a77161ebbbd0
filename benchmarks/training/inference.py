"""Inference in the settings of evaluation: ms for 64 images as in MODEL_ZOO.md, ours beside timm's network of the name.

    python -m benchmarks.training.inference  # one GPU, 224 px: about 3 minutes, most of it compiling
    python -m benchmarks.training.inference --device cpu --size 64  # about 2 idle minutes on 2 cores

Settings: TRAIN.MIXED_PRECISION (bf16), TRAIN.CHANNELS_LAST and TEST.COMPILE, none and all and without compiling. All
networks of a row take turns, so that a machine that slows down slows all; a time is that of one batch with the device
done. How far logits move from those of eager float32 is given as the largest difference in percent of their range,
for the untrained network and noise.
"""

import time
from dataclasses import asdict, dataclass
from itertools import product

import timm
import torch
from torch import Tensor, nn

from benchmarks.report import command_line, publish, write_json
from benchmarks.time_limit import TimeLimit
from benchmarks.training.case import LAYOUTS, MODELS, Case
from benchmarks.training.train_step import add_options, build_case, conditions, device_name, fill_defaults
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.profiling.measure import Timing, synchronize
from pycls.engine.profiling.network import NUM_IMAGES

SETTINGS = (("fp32", "NCHW", "eager"), ("bf16", "NHWC", "eager"), ("bf16", "NHWC", "compiled"))
_RUNS_SEC, _MOST_RUNS = 3.0, 100  # for the timed runs of one network in one setting


@dataclass
class Row:
    """What was measured of a network in a setting."""

    case: Case
    network: str  # ours, timm's
    timing: Timing
    moved_pct: float


def main() -> None:
    """Measure, print, write."""
    parser = command_line(__doc__)
    add_options(parser)
    arguments = fill_defaults(parser.parse_args())
    arguments.batch = NUM_IMAGES
    limit, rows, missing = TimeLimit(arguments.max_seconds), [], []
    for model in arguments.models:
        if not limit.fits():
            continue
        with limit.piece():
            rows += measure([build_case(arguments, model, *setting) for setting in SETTINGS], arguments.rounds)
        missing = [model for model in arguments.models if model not in {row.case.model for row in rows}]
        record = {"device": device_name(arguments.device), "rows": [flat(row) for row in rows], "left_out": missing}
        write_json(arguments.json, record)  # after each, for the next may be cut off
        print(table(rows[-2 * len(SETTINGS) :]), flush=True)
    note = f"No time left for {', '.join(missing)}. " if missing else ""
    text = f"## Inference, {arguments.device}\n\n{table(rows)}\n\n{note}{conditions('inference', arguments)}"
    publish(f"inference {arguments.device}", text, arguments.print_only)


def build(case: Case, network: str) -> nn.Module:
    """Return a network for evaluation in a setting."""
    name = MODELS[case.model][1]
    if network == "ours":
        model = with_a_head(case.network())
    else:
        torch.manual_seed(0)
        size = {"img_size": case.size} if name.startswith("vit") else {}
        model = timm.create_model(name, **size).to(memory_format=LAYOUTS[case.layout]).to(case.device)
    return CompiledNetwork(model.eval()) if case.compiled else model.eval()


def with_a_head(model: nn.Module) -> nn.Module:
    """Give a classifier that begins at zero, as ViT's, random weights, so that there are logits to compare."""
    for parameter in model.parameters():
        if parameter.ndim == 2 and not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    return model


@torch.inference_mode()
def measure(cases: list[Case], rounds: int) -> list[Row]:
    """Time a network in all settings, the first eager float32; ours and timm's in turns, at least `rounds` times."""
    torch.compiler.reset()
    rows, calls = [], []
    plain: dict[str, Tensor] = {}  # logits in the first setting
    for case, network in product(cases, ("ours", "timm's")):
        model, images = build(case, network), case.data()[0]
        logits = [run(case, model, images) for _ in range(3)][-1].float()  # compiled, algorithms chosen
        rows.append(Row(case, network, Timing([]), moved_pct(logits, plain.setdefault(network, logits))))
        calls.append((case, model, images))
    end = time.perf_counter() + _RUNS_SEC * len(rows)
    while len(rows[0].timing.ms) < rounds or (time.perf_counter() < end and len(rows[0].timing.ms) < _MOST_RUNS):
        for row, call in zip(rows, calls, strict=True):
            start = time.perf_counter()
            run(*call)
            row.timing.ms.append(1000 * (time.perf_counter() - start))
    return rows


def run(case: Case, model: nn.Module, images: Tensor) -> Tensor:
    """Return logits (N, K) when the device is done."""
    with case.precision.autocast():
        logits = model(images)
    synchronize(case.precision.device)
    return logits


def moved_pct(logits: Tensor, plain: Tensor) -> float:
    """Return the largest difference in percent of the range of the plain logits."""
    return 100 * ((logits - plain).abs().max() / (plain.max() - plain.min())).item()


def table(rows: list[Row]) -> str:
    """Return a Markdown table."""
    lines = ["| network | format | layout | mode | whose | p50 (ms) | p95 (ms) | images/s | logits moved |"]
    lines.append("| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        case, ms = row.case, row.timing
        figures = (
            f"{ms.median:.1f} | {ms.percentile(95):.1f} | {1000 * NUM_IMAGES / ms.median:.0f} | {row.moved_pct:.3f} %"
        )
        lines.append(f"| {case.model} | {case.format} | {case.layout} | {case.mode} | {row.network} | {figures} |")
    return "\n".join(lines)


def flat(row: Row) -> dict:
    """Return a row as one dict."""
    p50, p95 = row.timing.median, row.timing.percentile(95)
    return asdict(row.case) | {"network": row.network, "p50_ms": p50, "p95_ms": p95, "logits_moved_pct": row.moved_pct}


if __name__ == "__main__":
    main()
