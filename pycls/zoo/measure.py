"""Time a network of the model zoo on this machine, and keep the figure."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from yacs.config import CfgNode

from pycls.core.config import load_cfg
from pycls.core.distributed import pick_device
from pycls.core.machine import package_versions, processor_name, usable_cores
from pycls.engine.network.precision import pick_precision
from pycls.engine.profiling.measure import Timing
from pycls.engine.profiling.network import NUM_IMAGES, time_inference
from pycls.models import build_model
from pycls.zoo.page import GROUPS
from pycls.zoo.records import MEASURED, Measurement, config_file, find_entry, load_counts, load_measurements


def measure(root: Path, name: str, overrides: Sequence[str]) -> Measurement:
    """Time the inference of 64 images and put it into the record, in place of one of this machine's."""
    entry = find_entry(root, GROUPS, name, load_counts(root))
    if entry.config is None:
        raise ValueError(f"{entry.name}: has no config here, so there is nothing to time")
    cfg = load_cfg(str(config_file(root, entry.config)), overrides, "zoo")
    timing, versions = time_64(cfg), package_versions()
    new = Measurement(
        config=entry.config,
        what="infer_ms",
        value=round(timing.median, 1),
        data="",
        spread=f"p5 {timing.percentile(5):.1f}, p95 {timing.percentile(95):.1f} of {len(timing.ms)} runs",
        command=" ".join(["python tools/model_zoo.py measure", name, *overrides]),
        hardware=hardware(pick_device(cfg.DEVICE)),
        versions=f"torch {versions['torch']}",
        date=datetime.date.today().strftime("%d %B %Y"),
    )
    same = (new.config, new.what, new.hardware)
    kept = [each for each in load_measurements(root) if (each.config, each.what, each.hardware) != same]
    (root / MEASURED).write_text(json.dumps([asdict(each) for each in [*kept, new]], indent=1) + "\n")
    return new


def time_64(cfg: CfgNode) -> Timing:
    """Time forward passes of 64 images, channels last, in the number format of the config."""
    device, layout = pick_device(cfg.DEVICE), torch.channels_last
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    model = build_model(cfg).to(device).to(memory_format=layout)
    return time_inference(model, cfg, precision, NUM_IMAGES, layout, precision.name)


def hardware(device: torch.device) -> str:
    """Name what computes, such as "2 cores of AMD EPYC"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{usable_cores()} cores of {processor_name()}"
