"""From JPEG files to training steps: every backend alone and feeding a real network, on the training device.

    python -m benchmarks.loaders.jpeg_to_step  # one GPU: ResNet-50, bf16, batches of 256, 2 to 3 minutes
    python -m benchmarks.loaders.jpeg_to_step --device cpu --size 64 --batch 16 --backends custom torch --no-compile

What is timed is what tools/time_net.py times (pycls/engine/profiling): the loader with nothing else to do, the
network with one batch again and again, and both together, with the share of the time that the step waited for data.
Photos are made (photos.py) and linked as 1,000 classes; they are in the page cache. Evaluation, checkpoints
and the moving average are not part of it.
"""

import argparse
import itertools
from pathlib import Path

import torch
from yacs.config import CfgNode

from benchmarks.loaders.photos import made_photos
from benchmarks.report import ROOT, command_line, passing_folder, publish, write_json
from benchmarks.time_limit import TimeLimit
from benchmarks.training.train_step import conditions, device_name
from pycls.core.config import load_cfg
from pycls.core.logging import setup_logging
from pycls.engine.profiling.loader import find_samples, time_data

BACKENDS = ("custom", "dali_gpu", "torch", "dali_cpu")  # in the order of being measured
GOAL_IMAGES_PER_SEC, GOAL_WAIT_PCT = 4500, 3.0  # of the best backend on one H200
_NUM_PHOTOS, _NUM_CLASSES = 320, 1000
_CONFIG = ROOT / "configs/baselines/R-50.yaml"


def main() -> None:
    """Measure, print, write."""
    arguments = parse()
    rows, limit = {}, TimeLimit(arguments.max_seconds)
    torch.backends.cudnn.benchmark = True
    data_dir = photo_tree(made_photos(arguments.photos))
    for backend in arguments.backends:
        with limit.piece():
            enough = limit.fits()
            rows[backend] = time_backend(arguments, backend, data_dir) if enough else {"error": "no time left"}
        record = {"device": device_name(arguments.device), "rows": rows, "verdict": verdict(rows, arguments.device)}
        write_json(arguments.json, record)  # after each, for the next may be cut off
        print(backend, rows[backend], flush=True)
    text = (
        f"## From JPEG files to training steps, {arguments.device}\n\n"
        f"{table(rows)}\n\n{verdict(rows, arguments.device)}\n\n"
        f"ResNet-50, bf16, channels last{', compiled' if arguments.compile else ''}; "
        f"{conditions('jpeg_to_step', arguments)}"
    )
    publish(f"jpeg to step {arguments.device}", text, arguments.print_only)


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--size", type=int, default=224, help="pixels a side")
    parser.add_argument("--batch", type=int, default=256, help="images of a step")
    parser.add_argument("--steps", type=int, default=30, help="steps of each measurement")
    parser.add_argument("--photos", type=int, default=_NUM_PHOTOS, help="different photos to make")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--max-seconds", type=float, default=240.0, help="backends that do not fit are left out")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    return parser.parse_args()


def photo_tree(photos: Path) -> Path:
    """Return a data folder of 1,000 classes, links to the few of the photos, in training and validation."""
    root = passing_folder()
    for split in ("train", "val"):
        (root / split).mkdir()
        for number, folder in zip(range(_NUM_CLASSES), itertools.cycle(sorted(photos.iterdir()))):
            (root / split / f"class_{number:04d}").symlink_to(folder)
    return root


def time_backend(arguments: argparse.Namespace, backend: str, data_dir: Path) -> dict[str, float | str]:
    """Return the figures of a backend, or why there are none."""
    cfg = build_cfg(arguments, backend, data_dir)
    try:
        found = time_data(cfg, torch.device(arguments.device), find_samples(cfg))
    except (RuntimeError, ValueError) as error:  # a backend may lack its driver; the others are still to be timed
        return {"error": str(error).splitlines()[0]}
    return found["loader"] or {"error": found["loader_not_timed"]}


def build_cfg(arguments: argparse.Namespace, backend: str, data_dir: Path) -> CfgNode:
    """Return the config of a run with this backend."""
    out_dir = passing_folder()
    setup_logging(str(out_dir), "file")
    words = {"DATA_DIR": data_dir, "OUT_DIR": out_dir, "DEVICE": arguments.device, "DATA_LOADER.BACKEND": backend}
    words |= {"TRAIN.BATCH_SIZE": arguments.batch, "TRAIN.IM_SIZE": arguments.size, "DATA_LOADER.ANTIALIAS": True}
    words |= {"TRAIN.MIXED_PRECISION": True, "TRAIN.CHANNELS_LAST": True, "TRAIN.COMPILE": arguments.compile}
    words |= {"PREC_TIME.NUM_ITER": arguments.steps, "TEST.IM_SIZE": round(arguments.size * 256 / 224)}
    return load_cfg(str(_CONFIG), [str(word) for pair in words.items() for word in pair])


def table(rows: dict[str, dict]) -> str:
    """Return a Markdown table."""
    lines = ["| backend | loader alone (images/s) | network alone | both | waits for data |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        if "error" in row:
            lines.append(f"| {name} | {row['error']} | | | |")
            continue
        rates = (row[f"{what}_images_per_sec"] for what in ("loader", "compute", "end_to_end"))
        lines.append(f"| {name} | {' | '.join(f'{rate:.0f}' for rate in rates)} | {row['data_wait_pct']:.1f} % |")
    return "\n".join(lines)


def verdict(rows: dict[str, dict], device: str) -> str:
    """Return a sentence on the goals."""
    timed = {name: row for name, row in rows.items() if "error" not in row}
    if not timed:
        return "No backend could be timed."
    best = max(timed, key=lambda name: timed[name]["end_to_end_images_per_sec"])
    rate, wait = timed[best]["end_to_end_images_per_sec"], timed[best]["data_wait_pct"]
    found = f"From JPEG files: {best} {rate:.0f} images/s, waits {wait:.1f} %"
    if device != "cuda":
        return f"{found}."
    met = rate >= GOAL_IMAGES_PER_SEC and wait < GOAL_WAIT_PCT
    goals = f"goals of one H200: {GOAL_IMAGES_PER_SEC} images/s, below {GOAL_WAIT_PCT:.0f} %"
    return f"{found}: {'met' if met else 'MISSED'} ({goals})."


if __name__ == "__main__":
    main()
