"""pycls's own AutoAugment and RandAugment.

Its AutoAugment is the policy "v0" of TensorFlow's EfficientNet, not the one of the paper.
"""

from yacs.config import CfgNode

from pycls.core.config.augment_spec import AugmentName
from pycls.datasets.transforms.policy import Choice, Op
from pycls.datasets.transforms.pycls_ops import OPERATORS, OPS


def build_auto_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return pycls's AutoAugment; it has one policy."""
    return Choice(OPS, tuple(tuple(_op(*operation) for operation in pair) for pair in AUTO_POLICY))


def build_rand_augment(name: AugmentName, cfg: CfgNode) -> Choice:
    """Return pycls's RandAugment; M is a number from 0 to 1 (ValueError otherwise)."""
    if name.magnitude > 1:
        raise ValueError(
            f"TRAIN.AUGMENT: pycls's RandAugment takes a number from 0 to 1 as M, got {name.magnitude:g}; "
            f"write M{min(name.magnitude / 30, 1):.2g}, or set TRAIN.AUGMENT_OPS torchvision, whose M goes from 0 to 30"
        )
    prob = 1.0 if name.prob is None else name.prob
    programs = tuple((_op(op, prob, name.magnitude),) for op in RAND_OPS)
    return Choice(OPS, programs, num_picks=name.num_ops)


def _op(name: str, prob: float, magnitude: float) -> Op:
    operator = OPERATORS[name]
    return Op(name, (operator.value(magnitude),), operator.signed, prob)


RAND_OPS = (
    "auto_contrast",
    "equalize",
    "invert",
    "rotate",
    "posterize_inc",
    "solarize_inc",
    "solarize_add",
    "color_inc",
    "contrast_inc",
    "brightness_inc",
    "sharpness_inc",
    "shear_x",
    "shear_y",
    "trans_x",
    "trans_y",
)

# Pairs of (operation, probability, magnitude).
AUTO_POLICY = (
    (("equalize", 0.8, 0.1), ("shear_y", 0.8, 0.4)),
    (("color", 0.4, 0.9), ("equalize", 0.6, 0.3)),
    (("color", 0.4, 0.1), ("rotate", 0.6, 0.8)),
    (("solarize", 0.8, 0.3), ("equalize", 0.4, 0.7)),
    (("solarize", 0.4, 0.2), ("solarize", 0.6, 0.2)),
    (("color", 0.2, 0.0), ("equalize", 0.8, 0.8)),
    (("equalize", 0.4, 0.8), ("solarize_add", 0.8, 0.3)),
    (("shear_x", 0.2, 0.9), ("rotate", 0.6, 0.8)),
    (("color", 0.6, 0.1), ("equalize", 1.0, 0.2)),
    (("invert", 0.4, 0.9), ("rotate", 0.6, 0.0)),
    (("equalize", 1.0, 0.9), ("shear_y", 0.6, 0.3)),
    (("color", 0.4, 0.7), ("equalize", 0.6, 0.0)),
    (("posterize", 0.4, 0.6), ("auto_contrast", 0.4, 0.7)),
    (("solarize", 0.6, 0.8), ("color", 0.6, 0.9)),
    (("solarize", 0.2, 0.4), ("rotate", 0.8, 0.9)),
    (("rotate", 1.0, 0.7), ("trans_y", 0.8, 0.9)),
    (("shear_x", 0.0, 0.0), ("solarize", 0.8, 0.4)),
    (("shear_y", 0.8, 0.0), ("color", 0.6, 0.4)),
    (("color", 1.0, 0.0), ("rotate", 0.6, 0.2)),
    (("equalize", 0.8, 0.4), ("equalize", 0.0, 0.8)),
    (("equalize", 1.0, 0.4), ("auto_contrast", 0.6, 0.2)),
    (("shear_y", 0.4, 0.7), ("solarize_add", 0.6, 0.7)),
    (("posterize", 0.8, 0.2), ("solarize", 0.6, 1.0)),
    (("solarize", 0.6, 0.8), ("equalize", 0.6, 0.1)),
    (("color", 0.8, 0.6), ("rotate", 0.4, 0.5)),
)

POLICIES = {"AutoAugment": build_auto_augment, "RandAugment": build_rand_augment}
