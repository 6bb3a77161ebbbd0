"""Evaluation of saved weights."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.atomic_io import write_durably
from pycls.core.checkpoint import best_path, checkpoint_dir
from pycls.core.config import with_value
from pycls.core.logging import FILE_ONLY, get_logger, json_line
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.input_channels import RGB_CHANNELS
from pycls.core.weights.sources import run_checkpoint
from pycls.datasets import build_loader, list_samples
from pycls.datasets.readers.samples import Samples
from pycls.datasets.shares import division, holds_all_out, is_divided
from pycls.datasets.sources.split_names import is_none
from pycls.engine.checks import check_dataset, check_processes
from pycls.engine.data.settle_data import settle_classes
from pycls.engine.data.tested_classes import samples_to_test
from pycls.engine.evaluate import evaluate
from pycls.engine.identity import check_own_config, warn_of_other_division
from pycls.engine.network.features import recorded_features
from pycls.engine.network.precision import pick_precision
from pycls.engine.pixels.other_view import other_view
from pycls.engine.profiling.memory_format import saved_layout
from pycls.engine.reporting.evaluation import evaluation_figures, evaluation_record
from pycls.engine.reporting.evaluation_files import save_evaluation
from pycls.engine.reporting.image_predictions import Collector
from pycls.engine.reporting.lines import evaluation_line
from pycls.engine.reporting.meters import peak_memory_mb
from pycls.engine.reporting.mistakes import mistakes_and_example
from pycls.engine.reporting.result import Result
from pycls.engine.reporting.view_text import describe_view
from pycls.engine.run_page.page import PageSource, save_run_page
from pycls.engine.setup import run_processes, setup_process
from pycls.engine.state import network_bytes
from pycls.engine.weights_file import fill_network, weights_file
from pycls.losses import build_loss
from pycls.models import build_model

logger = get_logger(__name__)


def test(cfg: CfgNode) -> Result:
    """Evaluate TEST.WEIGHTS, or the best checkpoint in OUT_DIR, on every image of TEST.DATASET."""
    if is_none(cfg.TEST.SPLIT):
        raise ValueError(f"TEST.SPLIT {cfg.TEST.SPLIT}: nothing to evaluate; name a part of the data, such as val")
    check_dataset(cfg, "TEST")
    if cfg.TEST.FEATURES and cfg.TEST.COMPILE:
        raise ValueError(
            "TEST.FEATURES True: they are read by a hook, which compiled code does not call; set TEST.COMPILE False"
        )
    check_processes(cfg, ("TEST",))
    if cfg.TEST.WEIGHTS and not Path(cfg.TEST.WEIGHTS).exists():
        list_samples(cfg, "test")  # its errors come before anything is downloaded
    path = weights_path(cfg)
    check_folder_is_free(cfg.OUT_DIR, path)
    cfg = _settle_classes(cfg, path)
    return run_processes(cfg, _test_process)


def _settle_classes(cfg: CfgNode, path: Path) -> CfgNode:
    """Return the config with the number of classes that the file names, or else the data have, in the place of 0."""
    if cfg.MODEL.NUM_CLASSES == 0 and "classes" in (saved := load_tensor_file(path)):
        return with_value(cfg, "MODEL.NUM_CLASSES", len(saved["classes"]))
    return settle_classes(cfg, "test")


def weights_path(cfg: CfgNode) -> Path:
    """Return the file to evaluate, downloaded if need be; none raises ValueError."""
    if cfg.TEST.WEIGHTS:
        return weights_file(cfg.TEST.WEIGHTS, cfg.DOWNLOAD_CACHE, "TEST.WEIGHTS")
    path = run_checkpoint(checkpoint_dir(cfg.OUT_DIR))
    if path is None:
        hint = "give a checkpoint or the folder of a run, for example TEST.WEIGHTS runs/digits"
        raise ValueError(f"TEST.WEIGHTS is not set and {best_path(cfg.OUT_DIR)} does not exist; {hint}")
    return path


def check_folder_is_free(out_dir: str, weights: Path) -> None:
    """Raise ValueError if OUT_DIR holds a run that the weights are not of: its files would be overwritten."""
    folder = checkpoint_dir(out_dir)
    if not any(folder.glob("*.pyth")) or Path(os.path.realpath(folder)) in Path(os.path.realpath(weights)).parents:
        return
    raise ValueError(
        f"OUT_DIR {out_dir} holds another run than the one of {weights}, whose results would overwrite its own: "
        "set OUT_DIR to a folder for these"
    )


def _test_process(cfg: CfgNode) -> Result:
    device = setup_process(cfg)
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION, cfg.TRAIN.AMP_DTYPE)
    path = weights_path(cfg)
    saved = load_tensor_file(path, lambda: network_bytes(cfg))
    warn_of_other_division(saved, cfg, str(path))
    samples, outputs = samples_to_test(cfg, saved.get("classes"), str(path))
    with contextlib.closing(build_loader(cfg, "test", device, samples)) as loader:
        model = load_model(cfg, path, saved).to(device)
        logger.info("View (test): %s", describe_view(cfg, "test"))
        start = time.perf_counter()
        options = cfg.TEST.HFLIP, cfg.TEST.COMPILE, "Test", Collector(), outputs
        with features_file(cfg, model) as features:
            result = evaluate(model, loader, build_loss(cfg), precision, len(samples.classes), *options)
        seconds = time.perf_counter() - start
        record = evaluation_record("test_epoch", "1/1", result, seconds, peak_memory_mb(device))
    logger.info(json_line(record), extra=FILE_ONLY)
    logger.info("Test: %s%s", evaluation_line(record), _of_which(cfg))
    files = []
    if distributed.is_main():
        out_dir = Path(cfg.OUT_DIR)
        summary = out_dir / "test.json"
        facts = {**record, **_classes(samples, outputs, cfg), "weights": str(path)}
        write_durably(summary, (json.dumps(facts, indent=2) + "\n").encode())
        page = PageSource(cfg, device, [record], result, loader.samples, weights=str(path))
        files = [summary, *save_evaluation(result, loader.samples, out_dir, "test"), *features, *save_run_page(page)]
    shown = mistakes_and_example(result, loader.samples)
    return Result(**evaluation_figures(result), left_out=len(result.left_out), files=files, **shown)


def _of_which(cfg: CfgNode) -> str:
    """Tell which images of a data set were evaluated that is divided for training and validation."""
    if not is_divided(cfg) or holds_all_out(cfg):
        return ""
    return f"; those that {division(cfg)} holds out, DATA.VAL_FRACTION 1 evaluates all"


def _classes(samples: Samples, outputs: list[int] | None, cfg: CfgNode) -> dict[str, int]:
    """Return what test.json says of an evaluation on a part of the network's classes."""
    return {} if outputs is None else {"classes": len(samples.classes), "classes_of_network": cfg.MODEL.NUM_CLASSES}


@contextlib.contextmanager
def features_file(cfg: CfgNode, model: nn.Module) -> Iterator[list[Path]]:
    """Write the features that an evaluation meanwhile sees, if they are asked for; yield the files there will be."""
    path = Path(cfg.OUT_DIR) / "test_features.npy"
    if cfg.TEST.FEATURES:
        with recorded_features(model, path, num_views=2 if cfg.TEST.HFLIP else 1):
            yield [path]
        return
    if distributed.is_main():
        path.unlink(missing_ok=True)  # of an earlier evaluation: its rows are not those of today's table
    yield []


def load_model(cfg: CfgNode, path: Path, saved: dict[str, Any]) -> nn.Module:
    """Build the network with the weights of the file `path`, which holds `saved`."""
    if "pixels" in saved:
        _check_channels(saved["pixels"], cfg, path)
    if line := other_view(cfg.TEST.WEIGHTS or str(path), saved, cfg, str(path)):
        logger.warning("%s", line)
    model = build_model(cfg)
    logger.info("%s: %s", path, fill_network(model, cfg, saved, path))
    check_own_config(saved, cfg, str(path))
    wanted = cfg.TRAIN.CHANNELS_LAST
    channels_last = saved_layout(saved, path) if wanted == "auto" else wanted
    return model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _check_channels(pixels: dict[str, Any], cfg: CfgNode, path: Path) -> None:
    there = pixels.get("num_channels", RGB_CHANNELS)
    if there != cfg.DATA_LOADER.CHANNELS:
        now = cfg.DATA_LOADER.CHANNELS
        raise ValueError(f"{path}: its network sees {there} channels, DATA_LOADER.CHANNELS is {now}: set it to {there}")
