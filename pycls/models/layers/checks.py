"""Checks of architecture keys: one sentence that names the keys, before PyTorch fails somewhere inside."""

from collections.abc import Mapping, Sequence

from yacs.config import CfgNode

from pycls.core.config import table_entry
from pycls.core.config.im_size import ImSize, sides, size_text

# Data sets of small images get the 3-stage networks of He et al., section 4.2, all others the ImageNet ones. One from
# outside says itself which it is.
SMALL_IMAGE_DATASETS = ("cifar10", "cifar100", "fashion_mnist", "digits")


def check_stage_lists(
    section: str, keys: Mapping[str, Sequence], required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    """Raise ValueError unless the per-stage lists have equal lengths; optional: or empty."""
    first = f"{section}.{required[0]}"
    num_stages = len(keys[required[0]])
    if num_stages == 0:
        raise ValueError(f"{first} is empty: expected one value per stage, for example [3, 4, 6, 3]")
    for name in (*required, *optional):
        values = keys[name]
        if len(values) != num_stages and not (name in optional and not values):
            raise ValueError(
                f"{section}.{name} has {len(values)} values but {first} has {num_stages}: one per stage each"
            )


def check_odd_kernels(key: str, kernels: Sequence[int]) -> None:
    """Raise ValueError naming `key` for an even kernel: it has no center, so padding could not be symmetric."""
    even = [kernel for kernel in kernels if kernel % 2 == 0]
    if even:
        raise ValueError(f"{key}: kernels must be odd, got {even[0]} (nearest: {even[0] - 1} or {even[0] + 1})")


def check_im_size(im_size: ImSize, total_stride: int) -> None:
    """Raise ValueError naming TRAIN.IM_SIZE when an image would be smaller than one pixel of the last feature map."""
    if min(sides(im_size)) < total_stride:
        raise ValueError(
            f"TRAIN.IM_SIZE: {size_text(im_size)} pixels is less than the network's total stride; "
            f"expected at least {total_stride}"
        )


def is_small(cfg: CfgNode) -> bool:
    """Tell whether the training images are small ones, such as CIFAR's."""
    name = cfg.TRAIN.DATASET
    if name in SMALL_IMAGE_DATASETS:
        return True
    outside = table_entry("TRAIN.DATASET", name)
    return outside is not None and outside.has_small_images
