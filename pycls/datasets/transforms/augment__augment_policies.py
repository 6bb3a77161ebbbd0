"""The policies of TRAIN.AUGMENT by operator set and name; a new one is a function and a line in its set's POLICIES."""

from collections.abc import Callable

from yacs.config import CfgNode

from pycls.core.config.augment_spec import AugmentName, parse_augment
from pycls.core.registry import pick
from pycls.datasets.transforms import pycls_policies as augment_pycls, timm_policies as augment_timm, torchvision_policies as augment_torchvision
from pycls.datasets.transforms.augment import Stage

# Each builds a stage: (TRAIN.AUGMENT taken apart, config) -> stage.
OP_SETS: dict[str, dict[str, Callable[[AugmentName, CfgNode], Stage]]] = {
    "torchvision": augment_torchvision.POLICIES,
    "pycls": augment_pycls.POLICIES,
    "timm": augment_timm.POLICIES,
}


def build_policy(cfg: CfgNode) -> Stage:
    """Build the policy that TRAIN.AUGMENT names; ValueError if TRAIN.AUGMENT_OPS does not have it."""
    name = parse_augment(cfg.TRAIN.AUGMENT)
    assert name is not None
    table = pick(OP_SETS, cfg.TRAIN.AUGMENT_OPS, "TRAIN.AUGMENT_OPS")
    if name.policy not in table:
        raise ValueError(
            f"TRAIN.AUGMENT: {cfg.TRAIN.AUGMENT_OPS} has no {name.policy}, only {' and '.join(table)}; "
            "set TRAIN.AUGMENT_OPS torchvision for all four"
        )
    if name.std is not None and cfg.TRAIN.AUGMENT_OPS != "timm":
        raise ValueError(
            f"TRAIN.AUGMENT: {cfg.TRAIN.AUGMENT_OPS}'s RandAugment has no S, got S{name.std:g}; drop it, or set "
            "TRAIN.AUGMENT_OPS timm, whose M goes from 0 to 10"
        )
    return table[name.policy](name, cfg)
