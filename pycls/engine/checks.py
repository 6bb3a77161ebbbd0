"""Checks before the first step: a run that cannot succeed ends in its first second, and names what to change."""

import platform
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.config import check_divisible, dump_cfg
from pycls.core.config.defaults import default_cfg
from pycls.core.machine import usable_cores
from pycls.core.processes.starting import check_script
from pycls.datasets import DATASETS, backend_name, check_divisible_data, check_num_classes, dataset_view
from pycls.datasets.mix import build_mixer
from pycls.datasets.sources.class_file import load_classes
from pycls.datasets.sources.split_names import is_none
from pycls.datasets.transforms.view import optional_augmentation
from pycls.engine.network.compile import check_compile
from pycls.engine.network.fsdp import check_sharding
from pycls.engine.setup import has_one_size
from pycls.losses import build_loss
from pycls.optim import build_lr_policy

_NOT_YET = ("LAUNCH.MODE", "DATA_LOADER.MODE")
_FEW_PROCESSES = 8  # which any machine may try


def check_supported(cfg: CfgNode) -> None:
    """Raise ValueError for a setting that could not be honored: never train without it silently."""
    _check_available(cfg)
    _check_combinations(cfg)
    check_compile(cfg)
    check_sharding(cfg)
    check_dataset(cfg, "TRAIN")
    if not is_none(cfg.TEST.SPLIT):
        check_dataset(cfg, "TEST")
    optional_augmentation(cfg)  # its errors come now, not after a million files have been listed
    build_loss(cfg)  # so do these
    build_lr_policy(cfg)
    build_mixer(cfg)
    if cfg.BN.SYNC and distributed.pick_device(cfg.DEVICE).type != "cuda":
        raise ValueError("BN.SYNC True needs CUDA devices; PyTorch has no synchronized batch norm elsewhere")


def _check_available(cfg: CfgNode) -> None:
    """Raise ValueError for a key of pycls that is set and does nothing here."""
    defaults = default_cfg()
    for key in _NOT_YET:
        section, name = key.split(".")
        if cfg[section][name] != defaults[section][name]:
            raise ValueError(
                f"{key} {cfg[section][name]!r} is not available yet; leave it at {defaults[section][name]!r}"
            )
    if cfg.MODEL.SCALING_TYPE:
        raise ValueError("MODEL.SCALING_TYPE scales nothing here: pycls scale writes the config to use instead")


def _check_combinations(cfg: CfgNode) -> None:
    """Raise ValueError for settings that exclude one another."""
    if cfg.TRAIN.FROZEN and not cfg.TRAIN.WEIGHTS:
        raise ValueError(f"TRAIN.FROZEN {cfg.TRAIN.FROZEN} would keep random weights: it needs TRAIN.WEIGHTS")
    if cfg.TEST.COMPILE and cfg.MODEL.HEAD == "introspective":
        raise ValueError("TEST.COMPILE True: a network with MODEL.HEAD introspective is not compiled; set it False")
    im_size = DATASETS[cfg.TRAIN.DATASET].im_size if has_one_size(cfg.TRAIN.DATASET) else None
    if im_size is not None and im_size <= cfg.TRAIN.CROP_PADDING:
        raise ValueError(
            f"TRAIN.CROP_PADDING {cfg.TRAIN.CROP_PADDING}: crops would miss the images of {cfg.TRAIN.DATASET}, "
            f"which are {im_size} pixels wide; expected less than that"
        )
    filter_name = cfg.TRAIN.INTERPOLATION
    if filter_name != "bilinear" and has_one_size(cfg.TRAIN.DATASET):
        raise ValueError(f"TRAIN.INTERPOLATION {filter_name}: {cfg.TRAIN.DATASET} is not resized; leave it bilinear")


def check_dataset(cfg: CfgNode, phase: str) -> None:
    """Raise ValueError unless the data set of a phase, "TRAIN" or "TEST", is named and what it skips is there."""
    if not cfg[phase].DATASET:
        raise ValueError(f"{phase}.DATASET is not set: give a config (--cfg configs/...) or {phase}.DATASET digits")
    dataset_view(cfg, phase.lower())  # its errors come before anything is written, as do these
    backend_name(cfg.DATA_LOADER.BACKEND, has_one_size(cfg[phase].DATASET))
    check_divisible_data(cfg, phase.lower())
    if cfg.DATA.CLASSES:
        check_num_classes(cfg, len(load_classes(cfg.DATA.CLASSES)), f"DATA.CLASSES {cfg.DATA.CLASSES}")
    _check_array_pixels(cfg, cfg[phase].DATASET)
    skip_list = cfg.DATA_LOADER.SKIP_LIST
    if skip_list and not Path(skip_list).is_file():
        raise ValueError(f"DATA_LOADER.SKIP_LIST {skip_list}: no such file")


def _check_array_pixels(cfg: CfgNode, dataset: str) -> None:
    """Raise ValueError for a setting of files that array data do not heed."""
    if cfg.DATA_LOADER.DEPTH == "full" and has_one_size(dataset):
        raise ValueError(f"DATA_LOADER.DEPTH full: {dataset} is array data, which has 8 bits; leave it at uint8")
    if cfg.DATA_LOADER.EXIF_ROTATE and has_one_size(dataset):
        raise ValueError(f"DATA_LOADER.EXIF_ROTATE True: {dataset} is array data, which has no EXIF; set it False")


def check_processes(cfg: CfgNode, phases: tuple[str, ...] = ("TRAIN", "TEST")) -> None:
    """Raise ValueError unless each process has a GPU of its own and the same share of the batches of `phases`."""
    check_script()  # before anything is written
    count = distributed.requested_world_size(cfg.NUM_GPUS)
    if count > 1 and ":" in cfg.DEVICE:
        raise ValueError(
            f"DEVICE {cfg.DEVICE} is one GPU, and NUM_GPUS asks for {count} processes with one each: set DEVICE cuda "
            "(CUDA_VISIBLE_DEVICES chooses which), or NUM_GPUS 1"
        )
    on_gpus = distributed.pick_device(cfg.DEVICE).type == "cuda"
    if on_gpus and not distributed.under_torchrun() and count > torch.cuda.device_count():
        raise ValueError(
            f"NUM_GPUS {count}, but {torch.cuda.device_count()} GPU(s) visible; the global batch does not depend on it"
        )
    if not on_gpus and not distributed.under_torchrun() and count > max(_FEW_PROCESSES, usable_cores()):
        raise ValueError(f"NUM_GPUS {count}: too many processes for the {usable_cores()} cores of this machine")
    for phase in phases:
        accum_steps = cfg.OPTIM.ACCUM_STEPS if phase == "TRAIN" else 1
        check_divisible(f"{phase}.BATCH_SIZE", cfg[phase].BATCH_SIZE, count * accum_steps, accum_steps)


def check_ranks_agree(cfg: CfgNode, num_images: list[int]) -> None:
    """Raise RuntimeError naming the process whose config, data or torch differs from the main process's."""
    mine = {"config": dump_cfg(cfg), "number of images": num_images, "torch": torch.__version__}
    for name, value in mine.items():
        check_all_equal(name, value)


def check_all_equal(name: str, value: Any) -> None:
    """Raise RuntimeError, on every process, if the value differs between processes."""
    everyone = distributed.gather_objects((platform.node(), value))
    for rank, (host, theirs) in enumerate(everyone):
        if theirs != everyone[0][1]:
            raise RuntimeError(f"process {rank} on {host} has another {name} than process 0 ({theirs!r:.80})")
