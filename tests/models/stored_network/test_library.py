"""A checkpoint fits another library's network under translated names; whether it computes the same is found out."""

import pytest

from pycls.core.config import dump_cfg
from pycls.engine.identity import network_differences
from tests.helpers.model_records import cfg_of
from tests.models.test_model_parity import cfg_for

SIDE = {"TRAIN.IM_SIZE": 64, "TRAIN.DATASET": "imagenet", "MODEL.NUM_CLASSES": 10}
RESNET = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 50, "RESNET.TRANS_FUN": "bottleneck_transform", **SIDE}
PLAIN = RESNET | {"RESNET.STRIDE_1X1": False}
EFFNET = dump_cfg(cfg_for("dds_baselines/effnet/EN-B0_dds_8gpu.yaml"))


def library(kind, name):
    return {"MODEL.TYPE": kind, "MODEL.NAME": name, **SIDE}


def text(keys):
    return dump_cfg(cfg_of(keys))


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        (text(RESNET | {"RESNET.STRIDE_1X1": True}), library("torchvision", "resnet50"), "(resnet) has other strides"),
        (text(PLAIN), library("timm", "resnetblur50"), "strides"),
        (
            text(RESNET | {"RESNET.STRIDE_1X1": False, "MODEL.BLURPOOL": True}),
            library("torchvision", "resnet50"),
            "BLUR",
        ),
        (text(library("timm", "resnetblur50")), library("torchvision", "resnet50"), "(timm resnetblur50) has other"),
        (EFFNET, library("timm", "tf_efficientnet_b0"), "has other padding and epsilons"),
        (text(library("torchvision", "efficientnet_b5")), library("timm", "efficientnet_b5"), "has other epsilons"),
    ],
)
def test_another_arithmetic_is_found(theirs, ours, words):
    (found,) = network_differences({"cfg": theirs, "pixels": {}}, cfg_of(ours), "a.pyth")
    assert words in found


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (text(PLAIN), library("torchvision", "resnet50")),
        (text(library("timm", "resnet50")), library("torchvision", "resnet50")),
        (EFFNET, library("torchvision", "efficientnet_b0")),
        (EFFNET, library("timm", "efficientnet_b0")),
    ],
)
def test_the_same_network_is_welcome(theirs, ours):
    """Keys that a library's networks do not read (MODEL.ACTIVATION_FUN) are no difference."""
    assert network_differences({"cfg": theirs, "pixels": {}}, cfg_of(ours), "a.pyth") == []
