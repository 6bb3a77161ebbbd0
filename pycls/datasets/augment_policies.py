"""The policies of TRAIN.AUGMENT by operator set and name; a new one is a function and a line in its set's POLICIES."""

from collections.abc import Callable

from yacs.config import CfgNode

from pycls.core.augment_name import AugmentName, parse_augment
from pycls.core.tables import pick
from pycls.datasets import augment_pycls, augment_torchvision
from pycls.datasets.augment import Stage

# Each builds a stage: (name, side of the square in pixels, data set) -> stage.
OP_SETS: dict[str, dict[str, Callable[[AugmentName, int, str], Stage]]] = {
    "torchvision": augment_torchvision.POLICIES,
    "pycls": augment_pycls.POLICIES,
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
    return table[name.policy](name, cfg.TRAIN.IM_SIZE, cfg.TRAIN.DATASET)
