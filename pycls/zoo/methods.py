"""The table of what training methods bring on Fashion-MNIST, from the record of benchmarks/methods."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pycls.zoo.markdown import link, markdown_table

CONFIGS = Path("configs/fashion_mnist/methods")
METHODS = ("plain", "label-smoothing", "mixup", "cutmix", "ISM-Baseline", "IDML-CutMix")
RECORD = Path("pycls/zoo/records/fashion_mnist_methods.json")


def load_methods(root: Path) -> dict[str, Any]:
    """Read {"machine": words, "runs": [{"method", "seed", "top1_err", "ema_top1_err"}]}, errors in percent."""
    return json.loads((root / RECORD).read_text())


def methods_table(record: dict[str, Any]) -> str:
    """Return the errors as a Markdown table, then how they were measured."""
    error, ema_error = "top-1 err (%)<br>*measured here*", "top-1 err (%), EMA<br>*measured here*"
    rows = []
    for method in METHODS:
        runs = [run for run in record["runs"] if run["method"] == method]
        errors, ema_errors = ([run[key] for run in runs] for key in ("top1_err", "ema_top1_err"))
        seeds = ", ".join(f"{error:.2f}" for error in errors)
        rows.append([link(method, f"{CONFIGS / method}.yaml"), with_spread(errors), seeds, with_spread(ema_errors)])
    table = markdown_table(["config", error, "of each seed", ema_error], rows, right=[error, ema_error])
    seeds = " ".join(str(seed) for seed in sorted({run["seed"] for run in record["runs"]}))
    return "\n".join([table, "", f"`python -m benchmarks.methods --seeds {seeds}`. {record['machine']}"])


def with_spread(values: Sequence[float]) -> str:
    """Write the mean and, of several values, the sample standard deviation."""
    return f"{mean(values):.2f} ± {stdev(values):.2f}" if len(values) > 1 else f"{mean(values):.2f}"
