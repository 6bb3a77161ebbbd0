"""Measure what label smoothing, mixing, the introspective head and weight averaging bring on Fashion-MNIST.

Trains each config of configs/fashion_mnist/methods with several seeds, one core each, and writes the errors of every
run to tests/records/fashion_mnist_methods.json and the table to MODEL_ZOO.md. Runs that are complete below --out are
not repeated; others go on where they stopped.

    python -m benchmarks.methods --jobs 2
"""

import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.report import command_line, describe_machine, write_section

CONFIGS = Path("configs/fashion_mnist/methods")
RECORD = Path("tests/records/fashion_mnist_methods.json")
METHODS = ("plain", "label-smoothing", "mixup", "cutmix", "ISM-Baseline", "IDML-CutMix")
KINDS = {"top1_err": "test_epoch", "ema_top1_err": "test_ema_epoch"}


def main() -> int:
    """Train, collect, write."""
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="one run of each method for each seed")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one core each")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"), help="where the runs are kept")
    args = parser.parse_args()
    with ThreadPoolExecutor(args.jobs) as pool:
        runs = list(pool.map(lambda pair: run(*pair, args.out), product(args.seeds, METHODS)))
    record = {"machine": describe_machine(), "runs": runs}
    print(table(record))
    if not args.print_only:
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        write_section(Path("MODEL_ZOO.md"), "methods", table(record))
    return 0


def run(seed: int, method: str, out: Path) -> dict:
    """Train one network unless that is done; return the errors (%) after its last epoch."""
    out_dir = out / f"{method}-{seed}"
    found = last_errors(out_dir)
    if found is None:
        command = [sys.executable, "tools/train_net.py", "--cfg", str(CONFIGS / f"{method}.yaml")]
        command += ["RNG_SEED", str(seed), "OUT_DIR", str(out_dir)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found = last_errors(out_dir)
    assert found is not None, f"{out_dir} has no last epoch after a run that said it had succeeded"
    print(method, seed, found, flush=True)
    return {"method": method, "seed": seed, **found}


def last_errors(out_dir: Path) -> dict[str, float] | None:
    """Return the errors of weights and EMA after the last epoch; None for a run that is not complete."""
    path, found = out_dir / "metrics.jsonl", {}
    for line in path.read_text().splitlines() if path.exists() else []:
        record = json.loads(line)
        epoch, _, last = str(record.get("epoch", "")).partition("/")
        found |= (
            {key: round(record["top1_err"], 2) for key, kind in KINDS.items() if record["_type"] == kind}
            if (epoch == last)
            else {}
        )
    return found if len(found) == len(KINDS) else None


def table(record: dict) -> str:
    """Return the errors as a Markdown table: mean and sample standard deviation over the seeds."""
    rows = ["| config | top-1 err (%) | of each seed | the same with EMA |", "| --- | ---: | --- | ---: |"]
    for method in METHODS:
        runs = [each for each in record["runs"] if each["method"] == method]
        plain, ema = ([each[key] for each in runs] for key in KINDS)
        link = f"[{method}]({CONFIGS / method}.yaml)"
        rows.append(f"| {link} | {spread(plain)} | {', '.join(f'{x:.2f}' for x in plain)} | {spread(ema)} |")
    seeds = sorted({each["seed"] for each in record["runs"]})
    how = f"`python -m benchmarks.methods --seeds {' '.join(map(str, seeds))}`. {record['machine']}"
    return "\n".join([*rows, "", how])


def spread(values: list[float]) -> str:
    """Write mean and sample standard deviation."""
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


if __name__ == "__main__":
    sys.exit(main())
