"""Before the first step: processes, device, log, and checks that end a doomed run in its first second."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.config import check_divisible, dump_cfg
from pycls.core.config.defaults import default_cfg
from pycls.core.logging import get_logger, setup_logging
from pycls.core.machine import usable_cores
from pycls.core.plugins import import_plugins
from pycls.datasets import DATASETS, backend_name, colour_scale
from pycls.datasets.mix import build_mixer
from pycls.datasets.transforms.view import optional_augmentation
from pycls.engine.network.compile import check_compile
from pycls.engine.network.fsdp import check_sharding
from pycls.losses import build_loss
from pycls.optim import build_lr_policy

logger = get_logger(__name__)

_NOT_YET = ("LAUNCH.MODE", "DATA_LOADER.MODE")


def check_supported(cfg: CfgNode) -> None:
    """Raise ValueError for a switch of pycls that is set and could not be honoured: never train without it silently."""
    defaults = default_cfg()
    for key in _NOT_YET:
        section, name = key.split(".")
        if cfg[section][name] != defaults[section][name]:
            raise ValueError(
                f"{key} {cfg[section][name]!r} is not available yet; leave it at {defaults[section][name]!r}"
            )
    if cfg.MODEL.SCALING_TYPE:
        raise ValueError("MODEL.SCALING_TYPE scales nothing here: pycls scale writes the config to use instead")
    if cfg.TRAIN.FROZEN and not cfg.TRAIN.WEIGHTS:
        raise ValueError(f"TRAIN.FROZEN {cfg.TRAIN.FROZEN} would keep random weights: it needs TRAIN.WEIGHTS")
    if cfg.TEST.COMPILE and cfg.MODEL.HEAD == "introspective":
        raise ValueError("TEST.COMPILE True: a network with MODEL.HEAD introspective is not compiled; set it False")
    filter_name = cfg.TRAIN.INTERPOLATION
    if filter_name != "bilinear" and _has_one_size(cfg.TRAIN.DATASET):
        raise ValueError(f"TRAIN.INTERPOLATION {filter_name}: {cfg.TRAIN.DATASET} is not resized; leave it bilinear")
    check_compile(cfg)
    check_sharding(cfg)
    check_dataset(cfg, "TRAIN")
    check_dataset(cfg, "TEST")
    optional_augmentation(cfg)  # its errors come now, not after a million files have been listed
    build_loss(cfg)  # so do these
    build_lr_policy(cfg)
    build_mixer(cfg)
    if cfg.BN.SYNC and distributed.pick_device(cfg.DEVICE).type != "cuda":
        raise ValueError("BN.SYNC True needs CUDA devices; PyTorch has no synchronized batch norm elsewhere")


def check_dataset(cfg: CfgNode, phase: str) -> None:
    """Raise ValueError unless the data set of a phase, "TRAIN" or "TEST", is named and what it skips is there."""
    if not cfg[phase].DATASET:
        raise ValueError(f"{phase}.DATASET is not set: give a config (--cfg configs/...) or {phase}.DATASET digits")
    skip_list = cfg.DATA_LOADER.SKIP_LIST
    if skip_list and not Path(skip_list).is_file():
        raise ValueError(f"DATA_LOADER.SKIP_LIST {skip_list}: no such file")


def run_processes(cfg: CfgNode, run: Callable[[CfgNode], Any], phases: tuple[str, ...] = ("TRAIN", "TEST")) -> Any:
    """Call `run(cfg)` on every process of the run and return the main process's result; `phases` need even batches."""
    device = distributed.pick_device(cfg.DEVICE)
    count = distributed.requested_world_size(cfg.NUM_GPUS)
    if device.type == "cuda" and not distributed.under_torchrun() and count > torch.cuda.device_count():
        raise ValueError(
            f"NUM_GPUS {count}, but {torch.cuda.device_count()} GPU(s) visible; the global batch does not depend on it"
        )
    for phase in phases:
        accum_steps = cfg.OPTIM.ACCUM_STEPS if phase == "TRAIN" else 1
        check_divisible(f"{phase}.BATCH_SIZE", cfg[phase].BATCH_SIZE, count * accum_steps, accum_steps)
    backend = cfg.DIST_BACKEND if device.type == "cuda" else "gloo"
    return distributed.launch(run, (cfg,), count, backend, cfg.DIST_TIMEOUT_MINUTES)


def setup_process(cfg: CfgNode) -> torch.device:
    """Set up plugins, log, threads and cuDNN of this process and return its device."""
    import_plugins(cfg.PLUGINS)  # a process that was started by another has none yet
    device = distributed.pick_device(cfg.DEVICE)
    if distributed.is_main():
        Path(cfg.OUT_DIR).mkdir(parents=True, exist_ok=True)
    setup_logging(cfg.OUT_DIR, cfg.LOG_DEST, distributed.is_main())
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK and not cfg.CUDNN.DETERMINISTIC
    torch.backends.cudnn.deterministic = cfg.CUDNN.DETERMINISTIC
    if cfg.CUDNN.DETERMINISTIC:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if device.type == "cpu" and distributed.local_world_size() > 1:
        torch.set_num_threads(max(1, usable_cores() // distributed.local_world_size()))
    return device


def check_ranks_agree(cfg: CfgNode, num_train: int, num_test: int) -> None:
    """Raise RuntimeError naming the process whose config, data or torch differs from the main process's."""
    mine = {"config": dump_cfg(cfg), "training images": num_train, "test images": num_test, "torch": torch.__version__}
    for name, value in mine.items():
        check_all_equal(name, value)


def check_all_equal(name: str, value: Any) -> None:
    """Raise RuntimeError, on every process, if the value differs between processes."""
    everyone = distributed.gather_objects((platform.node(), value))
    for rank, (host, theirs) in enumerate(everyone):
        if theirs != everyone[0][1]:
            raise RuntimeError(f"process {rank} on {host} has another {name} than process 0 ({theirs!r:.80})")


def warn_of_other_pixels(saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Warn of every difference between the pixel contract in a checkpoint and the one in force."""
    for name, now in pixel_contract(cfg).items():
        if name in saved and saved[name] != now:
            logger.warning("%s: was made with %s %s, now it is %s", where, name, saved.get(name), now)


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
    mean, std = colour_scale(cfg, "train" if cfg.TRAIN.DATASET else "test")
    return {
        "channels": cfg.DATA_LOADER.CHANNEL_ORDER,
        "backend": backend_name(cfg.DATA_LOADER.BACKEND, _has_one_size(dataset)),
        "antialias": cfg.DATA_LOADER.ANTIALIAS,
        "train_interpolation": cfg.TRAIN.INTERPOLATION,
        "test_interpolation": cfg.TEST.INTERPOLATION,
        "train_im_size": cfg.TRAIN.IM_SIZE,
        "test_im_size": cfg.TEST.IM_SIZE,
        "mean": list(mean),
        "std": list(std),
        "dataset": dataset,
    }


def _has_one_size(dataset: str) -> bool:
    """Tell whether a data set comes as arrays of one size, which are not resized."""
    return dataset in DATASETS and DATASETS[dataset].im_size is not None
