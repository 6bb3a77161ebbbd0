"""Timing of the training loader, alone and together with the network: which of the two is the bottleneck."""

import contextlib
import itertools
import time
from collections.abc import Callable, Generator
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.logging import get_logger
from pycls.datasets import build_loader, build_samples
from pycls.datasets.backends import count_workers
from pycls.datasets.loader import Batch, Loader
from pycls.datasets.mix import build_mixer
from pycls.datasets.readers.samples import Samples
from pycls.engine.checks import check_dataset
from pycls.engine.network.precision import pick_precision
from pycls.engine.profiling.measure import for_a_while, synchronize
from pycls.engine.profiling.network import build_bench_stepper
from pycls.engine.reporting.view_text import describe_view
from pycls.losses import soft_targets
from pycls.models import build_model

logger = get_logger(__name__)


def find_samples(cfg: CfgNode) -> Samples | str:
    """Return the images to train on, or why there are none; ValueError if DATA_DIR says where they should be."""
    try:
        check_dataset(cfg, "TRAIN")
        return build_samples(cfg, "train")
    except ValueError as error:
        if cfg.DATA_DIR:
            raise
        return str(error)


def time_data(cfg: CfgNode, device: torch.device, samples: Samples | str) -> dict[str, Any]:
    """Time the training loader alone and with the network; without images, `samples` says why not."""
    try:
        loader = samples if isinstance(samples, str) else build_loader(cfg, "train", device, samples)
    except ValueError as error:  # a backend that is not there, say
        loader = str(error)
    if isinstance(loader, str):
        logger.info("Loader: not timed: %s", loader)
        return {"loader": None, "loader_not_timed": loader}
    logger.info("View (train): %s", describe_view(cfg, "train"))
    with contextlib.closing(loader):
        loader_rate = time_loader(loader, cfg, device)
        end_to_end, wait_pct, compute = time_end_to_end(loader, cfg, device)
    slower = "loader" if loader_rate < compute else "network"
    where = cfg.DATA_LOADER.BACKEND, _num_workers(cfg)
    logger.info("Loader alone (%s, %d workers): %.1f images/s", *where, loader_rate)
    logger.info("Network alone, as configured: %.1f images/s", compute)
    logger.info("End to end: %.1f images/s, data wait %.1f %%", end_to_end, wait_pct)
    ratio = max(loader_rate, compute) / min(loader_rate, compute)
    logger.info("Bottleneck: the %s (the other could go %.2f times as fast)", slower, ratio)
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
    model = build_model(cfg).to(device).to(memory_format=layout).train()
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
        start = time.perf_counter()
        rate = _rate(lambda: step(next(batches)), cfg, device)
        return rate, 100 * loader.reset_wait() / (time.perf_counter() - start), compute


def _rate(call: Callable[[], Any], cfg: CfgNode, device: torch.device) -> float:
    """Return images a second of a call that takes one batch; the device is waited for at the end only."""
    start = time.perf_counter()
    count = 0
    for _ in for_a_while(cfg.PREC_TIME.NUM_ITER):
        call()
        count += 1
    synchronize(device)
    return count * cfg.TRAIN.BATCH_SIZE / (time.perf_counter() - start)


def _warm_batches(loader: Loader, cfg: CfgNode) -> Generator[Batch, None, None]:
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
