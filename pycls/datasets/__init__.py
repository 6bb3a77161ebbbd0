"""Data sets and loader backends, chosen by name: TRAIN.DATASET, TEST.DATASET and DATA_LOADER.BACKEND.

A new data set is one file and one line in DATASETS; a new backend is one file and one line in BACKENDS. Both may come
from outside (docs/EXTEND.md).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from yacs.config import CfgNode

from pycls.core.config import check_divisible
from pycls.core.distributed import rank, world_size
from pycls.core.registry import listed, pick
from pycls.datasets import backends, cifar, digits, fashion_mnist, imagenet
from pycls.datasets.backends.base import Backend
from pycls.datasets.check_samples import check_samples
from pycls.datasets.decoders.float_notice import notice_floats
from pycls.datasets.info import DATASETS, Dataset, find_dataset
from pycls.datasets.info import color_scale as color_scale
from pycls.datasets.loader import Loader
from pycls.datasets.readers.samples import ArraySamples, EncodedSamples, Samples, without_images
from pycls.datasets.readers.skip_list import skip_listed
from pycls.datasets.readers.subset import Views
from pycls.datasets.shares import division, is_divided, no_division, take_share
from pycls.datasets.sources.split_names import USUAL
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.transforms.view import View, build_view


def _cifar(build: Callable[[CfgNode, str], ArraySamples]) -> Dataset:
    return Dataset(build, cifar.MEAN, cifar.STD, im_size=cifar.SIDE_PX, auto_augment="cifar10")


# The table itself lies in info.py, where transforms, which this module imports, can ask it.
DATASETS.update(
    {
        "imagenet": Dataset(imagenet.build_imagenet, imagenet.MEAN, imagenet.STD, lighting=True, divisible=True),
        "imagenet-21k": Dataset(imagenet.build_imagenet, imagenet.MEAN, imagenet.STD, lighting=True, divisible=True),
        "cifar10": _cifar(cifar.build_cifar10),
        "cifar100": _cifar(cifar.build_cifar100),
        "fashion_mnist": Dataset(
            fashion_mnist.build_fashion_mnist, fashion_mnist.MEAN, fashion_mnist.STD, im_size=fashion_mnist.SIDE_PX
        ),
        "digits": Dataset(digits.build_digits, digits.MEAN, digits.STD, small_images=True),
    }
)

# Each builds a backend: (cfg, Samples that it can read, view, device, images of the largest batch) -> Backend.
BACKENDS: dict[str, Callable[[CfgNode, Any, View, torch.device, int], Backend]] = {
    "custom": backends.build_custom,
    "torch": backends.build_torch,
    "dali_cpu": backends.build_dali_cpu,
    "dali_gpu": backends.build_dali_gpu,
    "memory": backends.build_memory,
}


def list_samples(cfg: CfgNode, phase: str) -> Samples:
    """Return the images and labels of a phase, without those on the skip list, however many classes they have.

    Of a data set that is divided (DATA.VAL_FRACTION, DATA.FOLDS) the share of the phase.
    """
    dataset = find_dataset(cfg, phase)
    check_divisible_data(cfg, phase)
    samples = dataset.build(cfg, phase)
    check_samples(samples, dataset, f"{phase.upper()}.DATASET {cfg[phase.upper()].DATASET}")
    return take_share(cfg, phase, _without_listed(cfg, samples))


def check_divisible_data(cfg: CfgNode, phase: str) -> None:
    """Raise ValueError if the data set of a phase is to be divided and cannot be, or the other phase has another."""
    name, names = cfg[phase.upper()].DATASET, {cfg.TRAIN.DATASET, cfg.TEST.DATASET} - {""}
    if is_divided(cfg) and not find_dataset(cfg, phase).divisible:
        can = ", ".join(known for known, dataset in DATASETS.items() if dataset.divisible)
        raise ValueError(
            f"{division(cfg)}: {name} has images for validation (data sets to divide: {can}); set {no_division(cfg)}"
        )
    if is_divided(cfg) and len(names) > 1:
        raise ValueError(
            f"{division(cfg)} divides one data set, but TRAIN.DATASET is {cfg.TRAIN.DATASET} and "
            f"TEST.DATASET {cfg.TEST.DATASET}"
        )


def build_samples(cfg: CfgNode, phase: str) -> Samples:
    """Return the images and labels of a phase, "train" or "test"; ValueError if MODEL.NUM_CLASSES does not fit them."""
    key = f"{phase.upper()}.DATASET"
    name = cfg[phase.upper()].DATASET
    samples = list_samples(cfg, phase)
    check_num_classes(cfg, len(samples.classes), f"{key} {name}")
    _check_all_shown(cfg, samples)
    return samples


def check_num_classes(cfg: CfgNode, count: int, where: str, hint: str = "") -> None:
    """Raise ValueError unless the network has as many outputs as the data has classes."""
    if cfg.MODEL.NUM_CLASSES not in (0, count):
        raise ValueError(f"MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}, but {where} has {count} classes{hint}")


def _check_all_shown(cfg: CfgNode, samples: Samples) -> None:
    """Raise ValueError for a class of DATA.CLASSES without images, unless that is allowed."""
    if isinstance(samples, ArraySamples) or not cfg.DATA.CLASSES or cfg.DATA.MISSING_CLASSES:
        return
    lacking = without_images(samples.labels, samples.classes)
    if lacking:
        raise ValueError(
            f"{samples.split} has no images of {len(lacking)} of the {len(samples.classes)} classes in DATA.CLASSES "
            f"{cfg.DATA.CLASSES}: {listed(lacking)}; DATA.MISSING_CLASSES True allows that"
        )


def _without_listed(cfg: CfgNode, samples: Samples) -> Samples:
    if not isinstance(samples, ArraySamples):
        return without_listed(cfg, samples)
    if cfg.DATA_LOADER.SKIP_LIST:
        where = f"DATA_LOADER.SKIP_LIST {cfg.DATA_LOADER.SKIP_LIST}"
        raise ValueError(f"{where} names image files, but {samples.source} is array data")
    return samples


def without_listed(cfg: CfgNode, samples: EncodedSamples) -> EncodedSamples:
    """Leave out what DATA_LOADER.SKIP_LIST names, if there is one."""
    path = cfg.DATA_LOADER.SKIP_LIST
    return skip_listed(samples, path, {*USUAL, cfg.TRAIN.SPLIT, cfg.TEST.SPLIT, samples.split}) if path else samples


def build_loader(cfg: CfgNode, phase: str, device: torch.device, samples: Samples | None = None) -> Loader:
    """Return the batches of a phase, "train" or "test", on this process; what cannot run is a ValueError.

    `samples`, when given, are shown instead of those that the config names.
    """
    dataset = find_dataset(cfg, phase)
    batch_size = _checked_batch_size(cfg, phase)
    samples = build_samples(cfg, phase) if samples is None else samples
    if phase == "train" and len(samples) < batch_size:
        raise ValueError(f"TRAIN.BATCH_SIZE {batch_size} is more than the {len(samples)} training images")
    largest_batch = min(batch_size // world_size(), max(1, len(samples)))
    view = dataset_view(cfg, phase)
    name = backend_name(cfg.DATA_LOADER.BACKEND, isinstance(samples, ArraySamples))
    backend = pick(BACKENDS, name, "DATA_LOADER.BACKEND")
    if not isinstance(samples, ArraySamples) and not view.full:
        notice_floats(samples)
    return Loader(
        samples,
        view,
        backend(cfg, _all_views(samples) if phase == "train" else samples, view, device, largest_batch),
        Normalize(*color_scale(cfg, phase), device, cfg.TRAIN.CHANNELS_LAST is True, 1 if view.full else 255),
        batch_size=batch_size,
        device=device,
        pin_memory=cfg.DATA_LOADER.PIN_MEMORY,
        lighting_std=cfg.TRAIN.PCA_STD if dataset.lighting and view.channels == 3 else 0.0,
        balanced=cfg.TRAIN.CLASS_BALANCE == "sampler",
        repeats=cfg.TRAIN.REPEATS,
        rank=rank(),
        world_size=world_size(),
    )


def _all_views(samples: Samples) -> Samples:
    """Let a backend show further views of images; that of array data does so by itself."""
    return samples if isinstance(samples, ArraySamples) else Views(samples)


def _checked_batch_size(cfg: CfgNode, phase: str) -> int:
    batch_size = cfg[phase.upper()].BATCH_SIZE
    if batch_size == 0:
        raise ValueError("TRAIN.BATCH_SIZE 0 is settled when a training begins; give a loader of its own a number")
    check_divisible(f"{phase.upper()}.BATCH_SIZE", batch_size, world_size(), 1)
    return batch_size


def dataset_view(cfg: CfgNode, phase: str) -> View:
    """Return the view of a phase's data set, "train" or "test"; ValueError for sizes that it cannot have."""
    dataset = find_dataset(cfg, phase)
    return _array_view(cfg, phase, dataset) if dataset.im_size else build_view(cfg, phase)


def _array_view(cfg: CfgNode, phase: str, dataset: Dataset) -> View:
    """Return the view of array data: its own size, with a border of the color that CROP_STYLE asks for."""
    if dataset.im_size != cfg.TRAIN.IM_SIZE:
        name = cfg[phase.upper()].DATASET
        raise ValueError(f"TRAIN.IM_SIZE is {cfg.TRAIN.IM_SIZE}, but the images of {name} are {dataset.im_size} px")
    red, green, blue = (round(255 * value) if cfg.TRAIN.CROP_STYLE == "pycls" else 0 for value in dataset.mean)
    return replace(build_view(cfg, "train"), train=phase == "train", border=(red, green, blue))


def backend_name(name: str, is_array: bool) -> str:
    """Return the backend that DATA_LOADER.BACKEND means: array data and files have different ones.

    Ours refuse what they cannot read; one from outside sees to that itself.
    """
    if name == "auto":
        return "memory" if is_array else "custom"
    if is_array and name in backends.FOR_FILES:
        raise ValueError(f"DATA_LOADER.BACKEND {name} reads image files; array data needs memory (or auto)")
    if not is_array and name in backends.FOR_ARRAYS:
        raise ValueError(
            f"DATA_LOADER.BACKEND {name} needs array data; image files need {', '.join(backends.FOR_FILES)} (or auto)"
        )
    return name
