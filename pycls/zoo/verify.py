"""Measure a row of the model zoo again and compare."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.config import load_cfg, with_value
from pycls.core.distributed import pick_device
from pycls.datasets import build_samples
from pycls.engine.test import test
from pycls.models.external.weights_url import weights_url
from pycls.zoo.counts import count_network
from pycls.zoo.measure import hardware, time_64
from pycls.zoo.page import GROUPS
from pycls.zoo.records import Entry, config_file, find_entry, load_counts, load_measurements
from pycls.zoo.verdict import HEAD, Check

ERROR_TOLERANCE = 0.1  # percent points: decoders and number formats differ by less, published errors are rounded to it
# The convention that the published FLOPs of a group follow, where it is not pycls's.
_CONVENTIONS = {"lip": "ptflops", "torchvision": "thop"}
# Published counts: name in the record -> what is counted, and its unit.
_PUBLISHED = {
    "flops_B": ("flops", 1e9),
    "params_M": ("params", 1e6),
    "acts_M": ("acts", 1e6),
    "flops": ("flops", 1),
    "params": ("params", 1),
}
_ERRORS = {"top1_err": "top-1 error (%)", "top5_err": "top-5 error (%)"}
# With one of these an error is asked for: one that cannot be measured is then no verdict.
_ASKS_FOR_ERRORS = ("DATA_DIR", "TEST.WEIGHTS")


def verify(root: Path, name: str, overrides: Sequence[str], show: Callable[[str], None]) -> list[Check]:
    """Check counts, inference time and errors of a row, given by its name or config; tell of each as it is known.

    ValueError or OSError where an error that is asked for, by DATA_DIR or TEST.WEIGHTS, cannot be measured.
    """
    entry = find_entry(root, list(GROUPS), name, load_counts(root))
    if entry.config is None:
        raise ValueError(f"{entry.name}: has no config here, so there is nothing to measure; {entry.source}")
    one = ["NUM_GPUS", "1"]  # a config may name the eight that its figures were published with
    cfg = load_cfg(str(config_file(root, entry.config)), [*one, *overrides], "zoo")
    show(f"{entry.name} ({entry.source or 'unpublished'}), {entry.config}")
    show(HEAD)
    checks = []
    for part in (check_counts(root, entry, cfg), check_time(root, entry, cfg)):
        checks += _shown(part, show)
    return checks + _shown(check_errors(root, entry, cfg, overrides), show)


def _shown(checks: list[Check], show: Callable[[str], None]) -> list[Check]:
    for check in checks:
        show(str(check))
    return checks


def check_counts(root: Path, entry: Entry, cfg: CfgNode) -> list[Check]:
    """Compare the counts with the record, and rounded ones with what was published, in its convention."""
    now, recorded = count_network(cfg), load_counts(root)[str(entry.config)]
    checks = [Check(key, recorded["macs"][key], now["macs"][key]) for key in now["macs"]]
    published = now[_CONVENTIONS.get(entry.group, "macs")]
    for what, (key, unit) in _PUBLISHED.items():
        if (value := entry.published.get(what)) is not None:
            checks.append(_check_published(what, value, published[key] / unit, entry.known.get(what, "")))
    return checks


def _check_published(what: str, value: float, now: float, known: str) -> Check:
    """Compare a published count as far as it is printed; what is known to be otherwise there is not judged."""
    title, _, unit = what.partition("_")
    column = f"{title} ({unit}), published" if unit else f"{title}, published"
    digits = len(str(value).partition(".")[2])
    tolerance = None if known else 0.5 / 10**digits if digits else 0.0
    return Check(column, value, round(now, digits) if known else now, tolerance, digits, known)


def check_time(root: Path, entry: Entry, cfg: CfgNode) -> list[Check]:
    """Time the inference of 64 images here; it is shown beside a record of the same hardware, and not judged."""
    timing, here = time_64(cfg), hardware(pick_device(cfg.DEVICE))
    column = "infer 64 images (ms)"
    checks = [
        Check(column, each.value, timing.median, None, 1, f"a time varies; both on {here}")
        for each in load_measurements(root)
        if (each.config, each.what, each.hardware) == (entry.config, "infer_ms", here)
    ]
    published = entry.published.get("infer_ms")
    note = f"now on {here}" + ("; published on other hardware" if published is not None else "")
    return checks or [Check(column, published, timing.median, None, 1, note)]


def check_errors(root: Path, entry: Entry, cfg: CfgNode, overrides: Sequence[str] = ()) -> list[Check]:
    """Evaluate, where data and weights are there; else it is said why not, or raised if errors are asked for."""
    weights = cfg.TEST.WEIGHTS or entry.weights
    recorded = recorded_errors(root, entry, weights)
    try:
        figures = evaluate(weights, cfg, own_folder="OUT_DIR" not in overrides[::2])
    except (ValueError, OSError) as error:
        if any(key in _ASKS_FOR_ERRORS for key in overrides[::2]):
            raise
        note = f"not measured, {error}"
        return [Check(column, recorded[key], None, ERROR_TOLERANCE, 3, note) for key, column in _ERRORS.items()]
    return [
        Check(column, recorded[key], figures[key], ERROR_TOLERANCE, 3, "" if recorded[key] else "none is recorded")
        for key, column in _ERRORS.items()
    ]


def recorded_errors(root: Path, entry: Entry, weights: str) -> dict[str, float | None]:
    """Return the errors to reach: those published of weights of another name, else of the row, else measured here."""
    published = weights_url(weights)[1] if weights != entry.weights else None
    if published is not None:
        return {"top1_err": published.top1_err, "top5_err": published.top5_err}
    ours = {each.what: each.value for each in load_measurements(root) if each.config == entry.config}
    return {key: entry.published.get(key, ours.get(key)) for key in _ERRORS}


def evaluate(weights: str, cfg: CfgNode, own_folder: bool) -> dict[str, float | None]:
    """Return the errors on the test images; ValueError without data or weights.

    With `own_folder` the files of the evaluation are not kept: OUT_DIR may be that of a run.
    """
    build_samples(cfg, "test")  # before anything is downloaded
    if not weights:
        raise ValueError("no weights are published for it: give TEST.WEIGHTS FILE")
    with tempfile.TemporaryDirectory(prefix="pycls-verify-") as folder:
        cfg = with_value(cfg, "TEST.WEIGHTS", weights)
        result = test(with_value(cfg, "OUT_DIR", folder) if own_folder else cfg)
    return {"top1_err": result.top1_err, "top5_err": result.top5_err}
