"""Measure a row of the model zoo again and compare."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import load_cfg, with_value
from pycls.core.distributed import pick_device
from pycls.datasets import build_samples
from pycls.engine.test import test
from pycls.zoo.counts import count
from pycls.zoo.measure import hardware, time_64
from pycls.zoo.page import GROUPS
from pycls.zoo.records import Entry, config_file, find_entry, load_counts, load_measurements

_ERROR_TOLERANCE = 0.1  # percent points: decoders and number formats differ by less


@dataclass(frozen=True)
class Check:
    """One number of a row, as recorded and as found now."""

    what: str
    recorded: float | None
    now: float | None
    note: str = ""
    tolerance: float | None = 0.0  # None: the numbers are not expected to agree

    @property
    def is_wrong(self) -> bool:
        """Whether both are there and differ by more than the tolerance."""
        if self.recorded is None or self.now is None or self.tolerance is None:
            return False
        return abs(self.now - self.recorded) > self.tolerance + 1e-9

    def __str__(self) -> str:
        cells = [f"{value:,.10g}" if value is not None else "-" for value in (self.recorded, self.now)]
        verdict = "DIFFERS" if self.is_wrong else ""
        return f"{self.what:28} {cells[0]:>18} {cells[1]:>18}  {' '.join(filter(None, [verdict, self.note]))}"


def verify(root: Path, name: str, overrides: Sequence[str], show: Callable[[Check], None]) -> list[Check]:
    """Check counts, inference time and error of a row, given by its name or config; tell of each as it is known."""
    entry = find_entry(root, list(GROUPS), name, load_counts(root))
    if entry.config is None:
        raise ValueError(f"{entry.name}: has no config here, so there is nothing to measure; {entry.source}")
    cfg = load_cfg(str(config_file(root, entry.config)), overrides, "zoo")
    checks = []
    for part in (check_counts(root, entry), check_time(root, entry, cfg), check_error(root, entry, cfg)):
        for check in part:
            checks.append(check)
            show(check)
    return checks


def check_counts(root: Path, entry: Entry) -> list[Check]:
    """Compare the counts with the record, and rounded ones with what was published."""
    config = str(entry.config)
    now, recorded = count(config_file(root, config)), load_counts(root)[config]
    checks = [Check(key, recorded["macs"][key], now["macs"][key]) for key in now["macs"]]
    for what, key, unit in (("flops_B", "flops", 1e9), ("params_M", "params", 1e6), ("acts_M", "acts", 1e6)):
        value = entry.published.get(what)
        if value is not None:
            digits = len(str(value).partition(".")[2])
            checks.append(Check(f"{what}, published", value, round(now["macs"][key] / unit, digits), tolerance=None))
    return checks


def check_time(root: Path, entry: Entry, cfg: CfgNode) -> list[Check]:
    """Time the inference of 64 images here; it is compared with a record of the same hardware only."""
    timing, here = time_64(cfg), hardware(pick_device(cfg.DEVICE))
    checks = [
        Check("infer 64 images (ms)", each.value, timing.median, f"both on {here}", tolerance=None)
        for each in load_measurements(root)
        if (each.config, each.what, each.hardware) == (entry.config, "infer_ms", here)
    ]
    published = entry.published.get("infer_ms")
    note = f"now on {here}" + ("; published on other hardware" if published is not None else "")
    return checks or [Check("infer 64 images (ms)", published, timing.median, note, tolerance=None)]


def check_error(root: Path, entry: Entry, cfg: CfgNode) -> list[Check]:
    """Evaluate, where the data and the weights are there."""
    ours = {each.what: each.value for each in load_measurements(root) if each.config == entry.config}
    recorded = {key: entry.published.get(key, ours.get(key)) for key in ("top1_err", "top5_err")}
    try:
        figures = evaluate(entry, cfg)
    except (ValueError, OSError) as error:
        return [Check("top-1 error (%)", recorded["top1_err"], None, f"not measured: {error}")]
    labels = {"top1_err": "top-1 error (%)", "top5_err": "top-5 error (%)"}
    return [Check(labels[key], recorded[key], figures[key], tolerance=_ERROR_TOLERANCE) for key in labels]


def evaluate(entry: Entry, cfg: CfgNode) -> dict[str, Any]:
    """Return the errors on the test images; ValueError without data or weights."""
    build_samples(cfg, "test")  # before anything is downloaded
    if not cfg.TEST.WEIGHTS:
        if not entry.weights:
            raise ValueError("no weights are published for it: give TEST.WEIGHTS FILE")
        cfg = with_value(cfg, "TEST.WEIGHTS", entry.weights)
    result = test(cfg)
    return {"top1_err": result.top1_err, "top5_err": result.top5_err}
