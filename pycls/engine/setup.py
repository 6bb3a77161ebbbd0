"""Where a run takes place: its processes, device, log and threads, and what it records of machine and pixels."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.launch import launch
from pycls.core.logging import setup_logging
from pycls.core.machine import usable_cores
from pycls.core.paths import check_output_folder
from pycls.core.plugins import import_plugins
from pycls.core.registry import shown
from pycls.datasets import DATASETS, backend_name, color_scale


def run_processes(cfg: CfgNode, run: Callable[[CfgNode], Any]) -> Any:
    """Call `run(cfg)` on every process of the run, started if need be; return the main process's result."""
    backend = cfg.DIST_BACKEND if distributed.pick_device(cfg.DEVICE).type == "cuda" else "gloo"
    count = distributed.requested_world_size(cfg.NUM_GPUS)
    return launch(run, (cfg,), count, backend, cfg.DIST_TIMEOUT_MINUTES, cfg.DIST_PULSE_SEC)


def setup_process(cfg: CfgNode) -> torch.device:
    """Set up plugins, log, threads and cuDNN of this process and return its device."""
    import_plugins(cfg.PLUGINS)  # a process that was started by another has none yet
    device = distributed.pick_device(cfg.DEVICE)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # what names no device is then on this one, too
    if distributed.is_main():
        _make_folder(Path(cfg.OUT_DIR))
    setup_logging(cfg.OUT_DIR, cfg.LOG_DEST, distributed.is_main())
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK and not cfg.CUDNN.DETERMINISTIC
    torch.backends.cudnn.deterministic = cfg.CUDNN.DETERMINISTIC
    if cfg.CUDNN.DETERMINISTIC:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if device.type == "cpu" and distributed.local_world_size() > 1:
        torch.set_num_threads(max(1, usable_cores() // distributed.local_world_size()))
    return device


def _make_folder(out_dir: Path) -> None:
    check_output_folder(out_dir, "OUT_DIR")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"OUT_DIR {shown(str(out_dir))}: cannot be made, or is no folder ({error.strerror})") from None


def environment() -> dict[str, Any]:
    """Return versions and hardware, nothing else from the environment."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "gpus": gpus,
        "processes": distributed.world_size(),
    }


def pixel_contract(cfg: CfgNode) -> dict[str, Any]:
    """Return how images become pixels, which a checkpoint keeps."""
    dataset = cfg.TRAIN.DATASET or cfg.TEST.DATASET
    mean, std = color_scale(cfg, "train" if cfg.TRAIN.DATASET else "test")
    return {
        "channels": cfg.DATA_LOADER.CHANNEL_ORDER,
        "backend": backend_name(cfg.DATA_LOADER.BACKEND, has_one_size(dataset)),
        "num_channels": cfg.DATA_LOADER.CHANNELS,
        "depth": cfg.DATA_LOADER.DEPTH,
        "antialias": cfg.DATA_LOADER.ANTIALIAS,
        "exif_rotate": cfg.DATA_LOADER.EXIF_ROTATE,
        "train_interpolation": cfg.TRAIN.INTERPOLATION,
        "test_interpolation": cfg.TEST.INTERPOLATION,
        "train_im_size": cfg.TRAIN.IM_SIZE,
        "test_im_size": cfg.TEST.IM_SIZE,
        "mean": list(mean),
        "std": list(std),
        "dataset": dataset,
    }


def has_one_size(dataset: str) -> bool:
    """Tell whether a data set comes as arrays of one size, which are not resized."""
    return dataset in DATASETS and DATASETS[dataset].im_size is not None
