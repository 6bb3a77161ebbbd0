"""torchvision's augmentation policies: which operations, how strong, how often.

AutoAugment: Cubuk et al. 2019 (appendix, tables of the ImageNet and CIFAR-10 policies). RandAugment: Cubuk et al. 2020.
TrivialAugment: Müller and Hutter 2021 (the "wide" space). AugMix: Hendrycks et al. 2020. Magnitudes are torchvision's.
"""

from collections.abc import Callable

import torch
from yacs.config import CfgNode

from pycls.core.config.augment_spec import AugmentName
from pycls.core.config.im_size import ImSize, sides
from pycls.core.registry import pick
from pycls.datasets.info import DATASETS
from pycls.datasets.transforms.policy import Choice, Mixture, Op, Operator
from pycls.datasets.transforms.torchvision_ops import OPS_BY_FILTER

NUM_BINS = 31  # magnitudes 0 to 30 of RandAugment and TrivialAugment
NUM_AUTO_BINS = 10  # of AutoAugment and AugMix
AUGMIX_SEVERITY = 3  # AugMix uses its three lowest magnitudes
AUGMIX_DEPTH = 3  # and chains of up to three operations

# ---- magnitudes


def _rising(top: float, num_bins: int) -> tuple[float, ...]:
    return tuple(torch.linspace(0.0, top, num_bins).tolist())  # single precision, as torchvision's


def _bits(most: int, dropped: int, num_bins: int) -> tuple[float, ...]:
    return tuple(float(most - round(step * dropped / (num_bins - 1))) for step in range(num_bins))


def _space(
    num_bins: int, shear: float, shift: tuple[float, float], degrees: float, enhance: float, bits: tuple[int, int]
) -> dict[str, Op]:
    """Return the operations that all spaces share, with their values from the weakest to the strongest."""
    down, across = shift
    warps = {"ShearX": shear, "ShearY": shear, "TranslateX": across, "TranslateY": down, "Rotate": degrees}
    tops = warps | dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), enhance)
    ops = {name: Op(name, _rising(top, num_bins), signed=True) for name, top in tops.items()}
    ops["Posterize"] = Op("Posterize", _bits(*bits, num_bins))
    ops["Solarize"] = Op("Solarize", tuple(torch.linspace(1.0, 0.0, num_bins).tolist()))
    return ops | {name: Op(name) for name in ("AutoContrast", "Equalize")}


def _shares(share: float, size: ImSize) -> tuple[float, float]:
    """Return shares of height and width in px."""
    height, width = sides(size)
    return share * height, share * width


def auto_space(size: ImSize) -> dict[str, Op]:
    """Return AutoAugment's operations for views of `size` px."""
    return _space(NUM_AUTO_BINS, 0.3, _shares(150.0 / 331.0, size), 30.0, 0.9, (8, 4)) | {"Invert": Op("Invert")}


def rand_space(size: ImSize) -> dict[str, Op]:
    """Return RandAugment's operations."""
    return _space(NUM_BINS, 0.3, _shares(150.0 / 331.0, size), 30.0, 0.9, (8, 4)) | {"Identity": Op("Identity")}


def trivial_space(size: ImSize) -> dict[str, Op]:
    """Return TrivialAugment's operations, the wide space."""
    return _space(NUM_BINS, 0.99, (32.0, 32.0), 135.0, 0.99, (8, 6)) | {"Identity": Op("Identity")}


def augmix_space(size: ImSize) -> dict[str, Op]:
    """Return AugMix's operations."""
    height, width = sides(size)
    return _space(NUM_AUTO_BINS, 0.3, (height / 3.0, width / 3.0), 30.0, 0.9, (4, 4))


# ---- policies


def _ops(interpolation: str, default: str = "nearest") -> dict[str, Operator]:
    """Return the operators that warp as TRAIN.AUGMENT_INTERPOLATION says, "" being torchvision's default."""
    return OPS_BY_FILTER[interpolation or default]


def build_auto_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return AutoAugment with the policy that the data set asks for: found on CIFAR-10 for CIFAR, else on ImageNet."""
    space = auto_space(cfg.TRAIN.IM_SIZE)
    dataset = DATASETS.get(cfg.TRAIN.DATASET)  # none is named where nothing is trained
    table = pick(AUTO_POLICIES, dataset.auto_augment if dataset else "imagenet", "Dataset.auto_augment")
    programs = tuple(tuple(_at(space[op], level, prob) for op, prob, level in pair) for pair in table)
    return Choice(_ops(cfg.TRAIN.AUGMENT_INTERPOLATION), programs)


def _at(op: Op, level: int | None, prob: float = 1.0) -> Op:
    """Fix the magnitude of an operation, if it has any."""
    values = op.values if level is None or len(op.values) == 1 else (op.values[level],)
    return op._replace(prob=prob, values=values)


def build_rand_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return RandAugment; M is a whole number from 0 to 30 (ValueError otherwise)."""
    level = int(name.magnitude)
    if level != name.magnitude or level >= NUM_BINS:
        raise ValueError(
            f"TRAIN.AUGMENT: torchvision's RandAugment takes a whole number from 0 to {NUM_BINS - 1} as M, got "
            f"{name.magnitude:g}; {_other_scale(name.magnitude)}"
        )
    if name.prob not in (None, 1):
        raise ValueError(
            "TRAIN.AUGMENT: torchvision's RandAugment has no P; drop it, or set TRAIN.AUGMENT_OPS pycls or timm"
        )
    ops = rand_space(cfg.TRAIN.IM_SIZE).values()
    return Choice(_ops(cfg.TRAIN.AUGMENT_INTERPOLATION), tuple((_at(op, level),) for op in ops), num_picks=name.num_ops)


def _other_scale(magnitude: float) -> str:
    if magnitude <= 1:
        return f"write M{round(magnitude * (NUM_BINS - 1))}, or set TRAIN.AUGMENT_OPS pycls, whose M goes from 0 to 1"
    return f"write M{min(round(magnitude), NUM_BINS - 1)}"


def build_trivial_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return TrivialAugment: one operation of any magnitude."""
    return Choice(
        _ops(cfg.TRAIN.AUGMENT_INTERPOLATION), tuple((op,) for op in trivial_space(cfg.TRAIN.IM_SIZE).values())
    )


def build_augmix(name: AugmentName, cfg: CfgNode) -> Mixture:
    """Return AugMix."""
    ops = augmix_space(cfg.TRAIN.IM_SIZE).values()
    mild = tuple((op._replace(values=op.values[:AUGMIX_SEVERITY]),) for op in ops)
    return Mixture(Choice(_ops(cfg.TRAIN.AUGMENT_INTERPOLATION, "bilinear"), mild, num_picks=AUGMIX_DEPTH))


# Pairs of (operation, probability, magnitude 0 to 9 or None).
IMAGENET_POLICY = (
    (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.8, None), ("Equalize", 0.6, None)),
    (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
    (("Equalize", 0.4, None), ("Solarize", 0.2, 4)),
    (("Equalize", 0.4, None), ("Rotate", 0.8, 8)),
    (("Solarize", 0.6, 3), ("Equalize", 0.6, None)),
    (("Posterize", 0.8, 5), ("Equalize", 1.0, None)),
    (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
    (("Equalize", 0.6, None), ("Posterize", 0.4, 6)),
    (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
    (("Rotate", 0.4, 9), ("Equalize", 0.6, None)),
    (("Equalize", 0.0, None), ("Equalize", 0.8, None)),
    (("Invert", 0.6, None), ("Equalize", 1.0, None)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
    (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
    (("Sharpness", 0.4, 7), ("Invert", 0.6, None)),
    (("ShearX", 0.6, 5), ("Equalize", 1.0, None)),
    (("Color", 0.4, 0), ("Equalize", 0.6, None)),
    (("Equalize", 0.4, None), ("Solarize", 0.2, 4)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, None)),
    (("Invert", 0.6, None), ("Equalize", 1.0, None)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Equalize", 0.8, None), ("Equalize", 0.6, None)),
)
CIFAR10_POLICY = (
    (("Invert", 0.1, None), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, None), ("Equalize", 0.9, None)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, None), ("Equalize", 0.5, None)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, None), ("AutoContrast", 0.4, None)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, None)),
    (("Equalize", 0.2, None), ("AutoContrast", 0.6, None)),
    (("Equalize", 0.2, None), ("Equalize", 0.6, None)),
    (("Color", 0.9, 9), ("Equalize", 0.6, None)),
    (("AutoContrast", 0.8, None), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, None)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, None), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, None), ("Invert", 0.1, None)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, None)),
)
AUTO_POLICIES = {"cifar10": CIFAR10_POLICY, "imagenet": IMAGENET_POLICY}

POLICIES: dict[str, Callable[[AugmentName, CfgNode], Choice | Mixture]] = {
    "AutoAugment": build_auto_augment,
    "RandAugment": build_rand_augment,
    "TrivialAugment": build_trivial_augment,
    "AugMix": build_augmix,
}
