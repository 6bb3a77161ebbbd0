"""Networks of two types with the same tensors are told apart by where they stride, and by nothing that is equal."""

import pytest

from pycls.core.config import dump_cfg
from pycls.engine.identity import network_differences
from pycls.models import build_model
from pycls.models.stored_network.structure import structure_differences
from tests.helpers.model_records import cfg_of
from tests.models.test_model_parity import cfg_for

SIDE = {"TRAIN.IM_SIZE": 64, "TRAIN.DATASET": "imagenet", "MODEL.NUM_CLASSES": 10}
RESNET = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 50, "RESNET.TRANS_FUN": "bottleneck_transform", **SIDE}
ANYNET = {
    "MODEL.TYPE": "anynet",
    "ANYNET.STEM_TYPE": "res_stem_in",
    "ANYNET.STEM_W": 64,
    "ANYNET.DEPTHS": [3, 4, 6, 3],
    "ANYNET.WIDTHS": [256, 512, 1024, 2048],
    "ANYNET.STRIDES": [1, 2, 2, 2],
    "ANYNET.BOT_MULS": [0.25] * 4,
    "ANYNET.GROUP_WS": [64, 128, 256, 512],
    **SIDE,
}


def test_the_same_network_of_another_type_is_the_same():
    assert structure_differences(cfg_of(RESNET | {"RESNET.STRIDE_1X1": False}), cfg_of(ANYNET), build_model) == []


@pytest.mark.parametrize(
    ("theirs", "ours", "words"),
    [
        (RESNET, ANYNET, r"layer s2.b1.f.a of its network (resnet) is Conv2d(stride (2, 2), "),
        (ANYNET, RESNET, r"layer s2.b1.f.a of its network (anynet) is Conv2d(stride (1, 1), "),
        (RESNET | {"RESNET.STRIDE_1X1": False}, ANYNET | {"ANYNET.STRIDES": [1, 2, 2, 1]}, "layer s4.b1.f.b of its"),
        (RESNET | {"RESNET.STRIDE_1X1": False}, ANYNET | {"MODEL.ACTIVATION_FUN": "silu"}, "MODEL.ACTIVATION_FUN relu"),
    ],
)
def test_what_it_strides_by_is_compared(theirs, ours, words):
    saved = {"cfg": dump_cfg(cfg_of(theirs)), "pixels": {}}
    (found,) = network_differences(saved, cfg_of(ours), "a.pyth")
    assert words in found


def test_a_network_that_cannot_be_built_here_is_not_compared():
    saved = {"cfg": "MODEL: {TYPE: darts}\nBN: {EPS: 0.01}\n"}
    (found,) = network_differences(saved, cfg_of(ANYNET), "a.pyth")
    assert found == "its network has BN.EPS 0.01, this config says 1e-05"
    assert network_differences({"cfg": "MODEL: {TYPE: darts}\n"}, cfg_of(ANYNET), "a.pyth") == []


def test_a_regnet_is_the_anynet_that_scaling_makes_of_it():
    regnet = cfg_for("dds_baselines/regnetx/RegNetX-200MF_dds_8gpu.yaml")
    depths, widths = [1, 1, 4, 7], [24, 56, 152, 368]  # of the paper's table
    shape = {"ANYNET.DEPTHS": depths, "ANYNET.WIDTHS": widths, "ANYNET.STRIDES": [2] * 4, "ANYNET.GROUP_WS": [8] * 4}
    anynet = {"MODEL.TYPE": "anynet", "MODEL.NUM_CLASSES": 1000} | shape
    assert structure_differences(regnet, cfg_of(anynet), build_model) == []
    assert structure_differences(regnet, cfg_of(anynet | {"ANYNET.STRIDES": [1, 2, 2, 2]}), build_model) != []
