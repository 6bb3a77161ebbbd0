"""Timing: the network alone per number format and layout, the loader alone, both together, and what limits them."""

import contextlib
import itertools
import time as clock
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.config import with_value
from pycls.core.logging import get_logger, json_line
from pycls.datasets import build_loader
from pycls.datasets.backends import count_workers
from pycls.datasets.loader import Batch, Loader
from pycls.datasets.mix import build_mixer
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.network.precision import DTYPES, Precision, pick_precision
from pycls.engine.reporting.result import Result
from pycls.engine.run import build_stepper
from pycls.engine.setup import environment, setup_process
from pycls.engine.state import TrainState
from pycls.engine.step import Stepper
from pycls.losses import soft_targets
from pycls.models import build_model
from pycls.optim import build_optimizer

logger = get_logger(__name__)

NUM_IMAGES = 64  # of the zoo's inference time, as pycls's table
MAX_SEC = 20.0  # one measurement ends after this, however many iterations were asked for


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated calls."""

    ms: list[float]

    @property
    def median(self) -> float:
        """Median."""
        return median(self.ms)

    def percentile(self, pct: float) -> float:
        """Return the value below which `pct` percent of the calls lie (nearest rank)."""
        ranked = sorted(self.ms)
        return ranked[min(len(ranked) - 1, int(pct / 100 * len(ranked)))]


def time(cfg: CfgNode) -> Result:
    """Time what `cfg` describes on one process and name the bottleneck; the measurements are in `Result.details`."""
    if cfg.NUM_GPUS != 1:
        raise ValueError(
            f"NUM_GPUS {cfg.NUM_GPUS}: timing runs on one process; use NUM_GPUS 1 and a process's share of the batch"
        )
    device = setup_process(cfg)
    details: dict[str, Any] = {"environment": environment(), "network": time_network(cfg, device)}
    logger.info(zoo_line(cfg, device, details["network"]))
    details |= time_data(_as_measured(cfg, device, details["network"]), device)
    logger.info(json_line({"_type": "timing", **_flat(details)}), extra={"machine": True})
    return Result(details=details)


def _as_measured(cfg: CfgNode, device: torch.device, rows: list[dict[str, Any]]) -> CfgNode:
    """Return the config with the layout that trained faster in the place of TRAIN.CHANNELS_LAST auto."""
    if cfg.TRAIN.CHANNELS_LAST != "auto":
        return cfg
    name = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE).name
    found = {row["layout"]: row["train_step_ms"] for row in rows if row["format"] == name}
    fastest = min(found, key=found.__getitem__, default="")
    return with_value(cfg, "TRAIN.CHANNELS_LAST", fastest == "channels_last")


# ---- the network alone


def time_network(cfg: CfgNode, device: torch.device) -> list[dict[str, Any]]:
    """Time inference and whole training steps on synthetic images for every number format and memory layout."""
    limit = f"median over up to {cfg.PREC_TIME.NUM_ITER} runs, at most {MAX_SEC:.0f} s each"
    logger.info("Network alone on %s, %d px; %s:", device, cfg.TRAIN.IM_SIZE, limit)
    rows = []
    for name, channels_last in itertools.product(supported_formats(device), (False, True)):
        layout = "channels_last" if channels_last else "contiguous"
        try:
            rows.append(_time_combination(cfg, Precision(device, name), channels_last))
        except torch.OutOfMemoryError:
            logger.info("%s %s: out of memory", name, layout)
        else:
            logger.info("%s %s: timed", name, layout)
    for line in timing_table(rows).splitlines():
        logger.info(line)
    return rows


def timing_table(rows: list[dict[str, Any]]) -> str:
    """Return what `time_network` found as aligned text."""
    cells = [[row[key] for _, key in _COLUMNS] for row in rows]
    return tabulate(cells, [title for title, _ in _COLUMNS], "plain", floatfmt=".1f")


def zoo_line(cfg: CfgNode, device: torch.device, rows: list[dict[str, Any]]) -> str:
    """Return the inference time of 64 images as MODEL_ZOO.md has it: in the config's number format, channels last."""
    name = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE).name
    what = f"infer (ms), {NUM_IMAGES} images, {name}, channels last{', compiled' if cfg.TEST.COMPILE else ''}"
    row = next((row for row in rows if (row["format"], row["layout"]) == (name, "channels_last")), None)
    if row is None:
        return f"{what}: not timed"
    return f"{what}: p50 {row['infer_64_ms']:.1f}, p95 {row['infer_64_ms_p95']:.1f}"


_COLUMNS = (
    ("format", "format"),
    ("layout", "layout"),
    ("infer images/s", "infer_images_per_sec"),
    ("infer 64 p50 (ms)", "infer_64_ms"),
    ("p95 (ms)", "infer_64_ms_p95"),
    ("train images/s", "train_images_per_sec"),
    ("forward (ms)", "train_fw_ms"),
    ("whole step (ms)", "train_step_ms"),
)


def supported_formats(device: torch.device) -> list[str]:
    """Return the number formats worth timing: fp16 has no fast path on a CPU."""
    return [name for name in DTYPES if not (device.type == "cpu" and name == "fp16")]


def _time_combination(cfg: CfgNode, precision: Precision, channels_last: bool) -> dict[str, Any]:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = build_model(cfg).to(precision.device, memory_format=layout)
    infer = time_inference(model, cfg, precision, cfg.TEST.BATCH_SIZE, layout)
    infer_64 = time_inference(model, cfg, precision, NUM_IMAGES, layout)
    forward, both = time_training(model, cfg, precision, layout)
    return {
        "format": precision.name,
        "layout": "channels_last" if channels_last else "contiguous",
        "test_fw_ms": infer.median,
        "infer_images_per_sec": 1000 * cfg.TEST.BATCH_SIZE / infer.median,
        "infer_64_ms": infer_64.median,
        "infer_64_ms_p95": infer_64.percentile(95),
        "train_fw_ms": forward.median,
        "train_step_ms": both.median,
        "train_images_per_sec": 1000 * cfg.TRAIN.BATCH_SIZE / both.median,
        "iterations": len(both.ms),
    }


def time_inference(model: nn.Module, cfg: CfgNode, precision: Precision, batch_size: int, layout: Any) -> Timing:
    """Time forward passes in eval mode, compiled with TEST.COMPILE."""
    net = CompiledNetwork(model.eval()) if cfg.TEST.COMPILE else model.eval()
    images = _images(cfg, batch_size, precision.device, layout)

    @torch.inference_mode()
    def forward() -> None:
        with precision.autocast():
            net(images)

    return measure(forward, cfg, precision.device)


def time_training(model: nn.Module, cfg: CfgNode, precision: Precision, layout: Any) -> tuple[Timing, Timing]:
    """Time forward passes in train mode, and whole steps (forward, loss, backward, update)."""
    images = _images(cfg, cfg.TRAIN.BATCH_SIZE, precision.device, layout)
    labels = torch.arange(cfg.TRAIN.BATCH_SIZE, device=precision.device) % cfg.MODEL.NUM_CLASSES
    targets = soft_targets(labels, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.LABEL_SMOOTHING)
    stepper = build_bench_stepper(cfg, model, precision)
    model.train()

    def forward() -> None:
        with precision.autocast():
            stepper.loss_fn(stepper.net(images), targets)

    whole = measure(lambda: stepper.step(images, targets, 0.0), cfg, precision.device)
    return measure(forward, cfg, precision.device), whole


def build_bench_stepper(cfg: CfgNode, model: nn.Module, precision: Precision) -> Stepper:
    """Build a training step of its own around a model."""
    return build_stepper(cfg, TrainState(model, None, build_optimizer(cfg, model), precision.scaler()), precision)


def _images(cfg: CfgNode, batch_size: int, device: torch.device, layout: Any) -> Tensor:
    size = cfg.TRAIN.IM_SIZE
    return torch.rand(batch_size, 3, size, size, device=device).to(memory_format=layout)


def measure(call: Callable[[], Any], cfg: CfgNode, device: torch.device) -> Timing:
    """Time a call PREC_TIME.NUM_ITER times after PREC_TIME.WARMUP_ITER untimed ones, the device's work included."""
    for _ in _for_a_while(cfg.PREC_TIME.WARMUP_ITER):
        call()
        synchronize(device)
    ms: list[float] = []
    for _ in _for_a_while(cfg.PREC_TIME.NUM_ITER):
        start = clock.perf_counter()
        call()
        synchronize(device)
        ms.append(1000 * (clock.perf_counter() - start))
    return Timing(ms)


def _for_a_while(count: int) -> Iterator[int]:
    """Count up to `count` (at least 1), or until MAX_SEC are over."""
    began = clock.perf_counter()
    for number in range(max(1, count)):
        yield number
        if clock.perf_counter() - began > MAX_SEC:
            return


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


# ---- the loader, and both together


def time_data(cfg: CfgNode, device: torch.device) -> dict[str, Any]:
    """Time the training loader alone and with the network; without a data set say why not."""
    try:
        loader = build_loader(cfg, "train", device)
    except ValueError as error:
        logger.info("Loader: not timed: %s", error)
        return {"loader": None, "loader_not_timed": str(error)}
    with contextlib.closing(loader):
        loader_rate = time_loader(loader, cfg, device)
        end_to_end, wait_pct, compute = time_end_to_end(loader, cfg, device)
    slower = "loader" if loader_rate < compute else "network"
    logger.info(
        "Loader alone (%s, %d workers): %.1f images/s",
        cfg.DATA_LOADER.BACKEND,
        _num_workers(cfg),
        loader_rate,
    )
    logger.info("Network alone, as configured: %.1f images/s", compute)
    logger.info("End to end: %.1f images/s, data wait %.1f %%", end_to_end, wait_pct)
    logger.info(
        "Bottleneck: the %s (the other could go %.2f times as fast)",
        slower,
        max(loader_rate, compute) / min(loader_rate, compute),
    )
    figures = {
        "loader_images_per_sec": loader_rate,
        "compute_images_per_sec": compute,
        "end_to_end_images_per_sec": end_to_end,
    }
    return {"loader": figures | {"data_wait_pct": wait_pct}, "bottleneck": slower}


def time_loader(loader: Loader, cfg: CfgNode, device: torch.device) -> float:
    """Return images a second of the loader with nothing else to do, the batches prepared ahead left out."""
    with contextlib.closing(_warm_batches(loader, cfg)) as batches:
        synchronize(device)
        return _rate(lambda: next(batches), cfg, device)


def time_end_to_end(loader: Loader, cfg: CfgNode, device: torch.device) -> tuple[float, float, float]:
    """Return images a second of real steps, percent of time waiting for data, and the rate without the loader."""
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    layout = torch.channels_last if cfg.TRAIN.CHANNELS_LAST else torch.contiguous_format
    model = build_model(cfg).to(device, memory_format=layout).train()
    stepper, mixer = build_bench_stepper(cfg, model, precision), build_mixer(cfg)

    def step(batch: Batch) -> None:
        images, targets = batch.images, soft_targets(batch.labels, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.LABEL_SMOOTHING)
        if mixer:
            images, targets = mixer(images, targets, 0, 0, batch.indices.numpy())
        stepper.step(images, targets, 0.0)

    with contextlib.closing(_warm_batches(loader, cfg)) as batches:
        one = next(batches)
        step(one)
        compute = _rate(lambda: step(one), cfg, device)
        for _ in range(_num_ahead(cfg)):  # those were prepared while the network ran alone
            step(next(batches))
        synchronize(device)
        loader.reset_wait()
        start = clock.perf_counter()
        rate = _rate(lambda: step(next(batches)), cfg, device)
        return rate, 100 * loader.reset_wait() / (clock.perf_counter() - start), compute


def _rate(call: Callable[[], Any], cfg: CfgNode, device: torch.device) -> float:
    """Return images a second of a call that takes one batch; the device is waited for at the end only."""
    start = clock.perf_counter()
    count = 0
    for _ in _for_a_while(cfg.PREC_TIME.NUM_ITER):
        call()
        count += 1
    synchronize(device)
    return count * cfg.TRAIN.BATCH_SIZE / (clock.perf_counter() - start)


def _warm_batches(loader: Loader, cfg: CfgNode) -> Iterator[Batch]:
    """Return an endless iterator, past the batches that were prepared before anybody looked."""
    batches = (batch for epoch in itertools.count() for batch in loader.epoch(epoch))
    for _ in range(_num_ahead(cfg)):
        next(batches)
    return batches


def _num_ahead(cfg: CfgNode) -> int:
    """Return how many batches a loader may hold ready: each worker one (torch), or PREFETCH."""
    return max(cfg.DATA_LOADER.PREFETCH, _num_workers(cfg)) + 1


def _num_workers(cfg: CfgNode) -> int:
    return count_workers(cfg.DATA_LOADER.AUTO_WORKERS, cfg.DATA_LOADER.NUM_WORKERS)


def _flat(details: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested figures as one level, for a log line."""
    flat: dict[str, Any] = {}
    for key, value in details.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for row in value:
                flat |= _flat(row, f"{prefix}{row['format']}_{row['layout']}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
