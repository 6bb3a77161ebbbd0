"""Measure what label smoothing, mixing, the introspective head and weight averaging bring on Fashion-MNIST.

Trains each config of configs/fashion_mnist/methods with several seeds, one core each, and writes the errors of every
run to pycls/zoo/records/fashion_mnist_methods.json; `python tools/model_zoo.py` then puts the table into MODEL_ZOO.md.
Runs that are complete below --out are not repeated; others go on where they stopped.

    python -m benchmarks.methods --jobs 2
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from benchmarks.report import command_line, describe_machine
from pycls.zoo.methods import CONFIGS, METHODS, RECORD, methods_table

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
    print(methods_table(record))
    if not args.print_only:
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
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
    path = out_dir / "metrics.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    last = {record["_type"]: record for record in records if is_last(record)}
    if not all(kind in last for kind in KINDS.values()):
        return None
    return {key: round(last[kind]["top1_err"], 2) for key, kind in KINDS.items()}


def is_last(record: dict) -> bool:
    """Tell whether a record belongs to the last epoch, such as "15/15"."""
    epoch, _, epochs = str(record.get("epoch", "")).partition("/")
    return epoch == epochs


if __name__ == "__main__":
    sys.exit(main())
