"""Timing of the network alone: inference and training steps in every number format and memory layout."""

import itertools
from typing import Any

import torch
from tabulate import tabulate
from torch import Tensor, nn
from yacs.config import CfgNode

from pycls.core.config.im_size import sides, size_text
from pycls.core.logging import get_logger
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.network.precision import DTYPES, Precision, pick_precision
from pycls.engine.network.step_memory import check_forward, check_step
from pycls.engine.profiling.largest_batch import largest_batch
from pycls.engine.profiling.measure import MAX_SEC, Timing, measure
from pycls.engine.run import build_stepper
from pycls.engine.state import TrainState
from pycls.engine.step import Stepper
from pycls.losses import soft_targets
from pycls.models import build_model
from pycls.optim import build_optimizer

logger = get_logger(__name__)

NUM_IMAGES = 64  # of the zoo's inference time, as pycls's table


def time_network(cfg: CfgNode, device: torch.device) -> list[dict[str, Any]]:
    """Time inference and whole training steps on synthetic images for every number format and memory layout."""
    limit = f"median over up to {cfg.PREC_TIME.NUM_ITER} runs, at most {MAX_SEC:.0f} s each"
    logger.info("Network alone on %s, %s px; %s:", device, size_text(cfg.TRAIN.IM_SIZE), limit)
    if device.type == "cpu":
        _check_memory(cfg)
    rows: list[dict[str, Any]] = []
    for name, channels_last in itertools.product(supported_formats(device), (False, True)):
        layout = "channels_last" if channels_last else "contiguous"
        try:
            row = _time_combination(cfg, Precision(device, name), channels_last)
        except torch.OutOfMemoryError:
            row = None
        if row is None:  # out here the error no longer keeps the memory
            logger.warning("%s, %s: out of memory: %s", name, layout, what_fits(cfg, Precision(device, name)))
            continue
        rows.append(row)
        rates = row["infer_images_per_sec"], row["train_images_per_sec"]
        logger.info("%s, %s: inference %.1f images/s, training %.1f images/s", name, layout, *rates)
    if not rows:
        raise ValueError(f"out of memory on {device} in every format: {what_fits(cfg, Precision(device))}")
    for line in timing_table(rows).splitlines():
        logger.info(line)
    return rows


def _check_memory(cfg: CfgNode) -> None:
    """Raise ValueError, naming the batch that fits, for one that the host's memory cannot hold."""
    with torch.device("meta"):
        model = build_model(cfg)
    sizes = {
        f"TEST.BATCH_SIZE {cfg.TEST.BATCH_SIZE}": cfg.TEST.BATCH_SIZE,
        f"{NUM_IMAGES} images, of which the time is always taken": NUM_IMAGES,
    }
    for key, size in sizes.items():
        check_forward(model, cfg.TRAIN.IM_SIZE, size, key)
    if not cfg.TRAIN.ACTIVATION_CHECKPOINT:
        num_images, key = cfg.TRAIN.BATCH_SIZE // cfg.OPTIM.ACCUM_STEPS, f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE}"
        check_step(model, cfg.TRAIN.IM_SIZE, num_images, True, key, "")  # half formats are timed, too


def what_fits(cfg: CfgNode, precision: Precision) -> str:
    """Return in words the largest powers of two, as batches of training and evaluation, that the device holds."""

    def evaluate(size: int) -> None:
        model = build_model(cfg).to(precision.device).eval()
        with torch.inference_mode(), precision.autocast():
            model(_images(cfg, size, precision.device, torch.contiguous_format))

    def train(size: int) -> None:
        stepper, images, targets = _prepare_step(cfg, build_model(cfg).to(precision.device), precision, size)
        stepper.step(images, targets, 0.0)

    steps = cfg.OPTIM.ACCUM_STEPS
    found = {
        "TRAIN.BATCH_SIZE": largest_batch(cfg.TRAIN.BATCH_SIZE, train, steps),
        "TEST.BATCH_SIZE": largest_batch(max(cfg.TEST.BATCH_SIZE, NUM_IMAGES), evaluate),
    }
    return ", ".join(f"{key} {size} fits" if size else f"no {key} fits" for key, size in found.items())


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
    model = build_model(cfg).to(precision.device).to(memory_format=layout)
    label = f"{precision.name}, {'channels_last' if channels_last else 'contiguous'}"
    infer = time_inference(model, cfg, precision, cfg.TEST.BATCH_SIZE, layout, label)
    infer_64 = time_inference(model, cfg, precision, NUM_IMAGES, layout, label)
    forward, both = time_training(model, cfg, precision, layout, label)
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


def time_inference(
    model: nn.Module, cfg: CfgNode, precision: Precision, batch_size: int, layout: Any, label: str
) -> Timing:
    """Time forward passes in eval mode, compiled with TEST.COMPILE."""
    net = CompiledNetwork(model.eval()) if cfg.TEST.COMPILE else model.eval()
    images = _images(cfg, batch_size, precision.device, layout)

    @torch.inference_mode()
    def forward() -> None:
        with precision.autocast():
            net(images)

    return measure(forward, cfg, precision.device, f"{label}: inference of {batch_size} images")


def time_training(
    model: nn.Module, cfg: CfgNode, precision: Precision, layout: Any, label: str
) -> tuple[Timing, Timing]:
    """Time forward passes in train mode, and whole steps (forward, loss, backward, update)."""
    stepper, images, targets = _prepare_step(cfg, model, precision, cfg.TRAIN.BATCH_SIZE, layout)

    def forward() -> None:
        with precision.autocast():
            stepper.loss_fn(stepper.net(images), targets)

    device, step = precision.device, f"training step of {cfg.TRAIN.BATCH_SIZE} images"
    whole = measure(lambda: stepper.step(images, targets, 0.0), cfg, device, f"{label}: {step}")
    return measure(forward, cfg, device, f"{label}: its forward pass"), whole


def _prepare_step(
    cfg: CfgNode, model: nn.Module, precision: Precision, size: int, layout: Any = torch.contiguous_format
) -> tuple[Stepper, Tensor, Tensor]:
    """Return what takes a training step, and the images and targets (N, K) to take it with."""
    images = _images(cfg, size, precision.device, layout)
    labels = torch.arange(size, device=precision.device) % cfg.MODEL.NUM_CLASSES
    targets = soft_targets(labels, cfg.MODEL.NUM_CLASSES, cfg.TRAIN.LABEL_SMOOTHING)
    stepper = build_bench_stepper(cfg, model, precision)
    model.train()
    return stepper, images, targets


def build_bench_stepper(cfg: CfgNode, model: nn.Module, precision: Precision) -> Stepper:
    """Build a training step of its own around a model."""
    return build_stepper(cfg, TrainState(model, None, build_optimizer(cfg, model), precision.scaler()), precision)


def _images(cfg: CfgNode, batch_size: int, device: torch.device, layout: Any) -> Tensor:
    shape = batch_size, cfg.DATA_LOADER.CHANNELS, *sides(cfg.TRAIN.IM_SIZE)
    return torch.rand(shape, device=device).to(memory_format=layout)
