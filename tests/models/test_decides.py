"""What an architecture key is declared to decide is what it does: equal weights are evaluated with each value."""

import pytest
import torch

from pycls.core.config.defaults import declared_keys
from pycls.models import build_model
from pycls.models.layers.introspective import with_pulls
from tests.helpers.model_records import cfg_of
from tests.models.test_model_errors import (
    ANYNET,
    CIFAR,
    CONV_STEM,
    DENSENET,
    EFFNET,
    MOBILENET,
    PYRAMID,
    REGNET,
    RESNET,
    VIT,
)

SMALL_RESNET = RESNET | {"RESNET.TRANS_FUN": "bottleneck_transform", "TRAIN.IM_SIZE": 64, "MODEL.NUM_CLASSES": 10}
ANYNET_WITH_ALL = ANYNET | {
    "ANYNET.BOT_MULS": [0.5, 0.5],
    "ANYNET.GROUP_WS": [4, 8],
    "ANYNET.HEAD_W": 8,
    "ANYNET.SE_ON": True,
}
REGNET_WITH_ALL = REGNET | {"REGNET.SE_ON": True, "REGNET.DEPTH": 4, "REGNET.HEAD_W": 8}
IDML = {"MODEL.HEAD": "introspective", "IDML.WIDTH": 4}

# Network -> its other values, one for each key of its family.
CASES = {
    "resnet": (
        SMALL_RESNET,
        {
            "RESNET.TRANS_FUN": "basic_transform",
            "RESNET.NUM_GROUPS": 2,
            "RESNET.WIDTH_PER_GROUP": 32,
            "RESNET.STRIDE_1X1": False,
            "RESNET.POOL": "softpool",
            "MODEL.DEPTH": 101,
        },
    ),
    "anynet": (
        ANYNET_WITH_ALL,
        {
            "ANYNET.STEM_TYPE": "res_stem_in",
            "ANYNET.STEM_W": 16,
            "ANYNET.BLOCK_TYPE": "res_bottleneck_linear_block",
            "ANYNET.DEPTHS": [1, 1],
            "ANYNET.WIDTHS": [16, 48],
            "ANYNET.STRIDES": [1, 2],
            "ANYNET.BOT_MULS": [],
            "ANYNET.GROUP_WS": [],
            "ANYNET.HEAD_W": 0,
            "ANYNET.SE_ON": False,
            "ANYNET.SE_R": 0.5,
            "ANYNET.POOL": "softpool",
            "MODEL.NUM_CLASSES": 9,
            "MODEL.BLURPOOL": True,
            "MODEL.ACTIVATION_FUN": "silu",
            "MODEL.ACTIVATION_INPLACE": False,
            "MODEL.STOCHASTIC_DEPTH": 0.5,
            "MODEL.LOSS_FUN": "focal",
            "MODEL.FOCAL_GAMMA": 1.0,
            "MODEL.HEAD": "introspective",
            "MODEL.SCALING_FACTOR": 2.0,
            "DATA_LOADER.CHANNELS": 1,
            "BN.EPS": 1e-2,
            "BN.MOM": 0.2,
            "BN.ZERO_INIT_FINAL_GAMMA": True,
            "BN.NUM_SAMPLES_PRECISE": 64,
        },
    ),
    "regnet": (
        REGNET_WITH_ALL,
        {
            "REGNET.STEM_TYPE": "res_stem_cifar",
            "REGNET.STEM_W": 16,
            "REGNET.BLOCK_TYPE": "res_bottleneck_linear_block",
            "REGNET.STRIDE": 1,
            "REGNET.SE_ON": False,
            "REGNET.SE_R": 0.5,
            "REGNET.DEPTH": 3,
            "REGNET.W0": 48,
            "REGNET.WA": 30.0,
            "REGNET.WM": 1.5,
            "REGNET.GROUP_W": 8,
            "REGNET.BOT_MUL": 0.5,
            "REGNET.HEAD_W": 0,
        },
    ),
    "effnet": (
        EFFNET,
        {
            "EN.STEM_W": 16,
            "EN.DEPTHS": [1, 1],
            "EN.WIDTHS": [16, 32],
            "EN.EXP_RATIOS": [1, 4],
            "EN.SE_R": 0.0,
            "EN.STRIDES": [1, 1],
            "EN.KERNELS": [3, 3],
            "EN.HEAD_W": 64,
            "EN.DC_RATIO": 0.5,
            "EN.DROPOUT_RATIO": 0.5,
            "EN.TF_PADDING": True,
        },
    ),
    "mobilenet": (
        MOBILENET,
        {
            "MB.STEM_W": 16,
            "MB.STEM_ACT": "hardswish",
            "MB.WIDTH_MULT": 2.0,
            "MB.WIDTHS": [16, 32],
            "MB.EXP_RATIOS": [1, 4],
            "MB.SE_RATIOS": [0, 0],
            "MB.ACTS": ["relu", "relu"],
            "MB.STRIDES": [1, 1],
            "MB.KERNELS": [3, 3],
            "MB.HEAD_W": [64],
            "MB.HEAD_ACTS": ["hardswish"],
            "MB.DC_RATIO": 0.5,
            "MB.DROPOUT_RATIO": 0.5,
        },
    ),
    "vit": (
        VIT | CONV_STEM,
        {
            "VIT.PATCH_SIZE": 4,
            "VIT.STEM_TYPE": "patchify",
            "VIT.C_STEM_KERNELS": [3, 3, 3],
            "VIT.C_STEM_STRIDES": [4, 2, 1],
            "VIT.C_STEM_DIMS": [4, 16, 16],
            "VIT.NUM_LAYERS": 2,
            "VIT.NUM_HEADS": 4,
            "VIT.HIDDEN_DIM": 32,
            "VIT.MLP_DIM": 32,
            "VIT.CLASSIFIER_TYPE": "pooled",
            "LN.EPS": 1e-2,
        },
    ),
    "densenet": (DENSENET, {"DENSENET.POOL": "lip"}),
    "pyramidnet": (PYRAMID, {"PYRAMIDNET.ALPHA": 12.0, "PYRAMIDNET.BOTTLENECK": False}),
    "idml": (CIFAR | IDML, {"IDML.WIDTH": 8, "IDML.PROXY_BIAS": False, "MODEL.HEAD": "linear"}),
    "type": (CIFAR, {"MODEL.TYPE": "cutmix_resnet"}),
}
# Another value needs these beside it.
BESIDE = {
    "VIT.PATCH_SIZE": {"VIT.C_STEM_STRIDES": [2, 2, 1]},
    "VIT.HIDDEN_DIM": {"VIT.C_STEM_DIMS": [8, 16, 32]},
    "PYRAMIDNET.BOTTLENECK": {"MODEL.DEPTH": 20},
}
# Families whose keys are all tried; a network of another library (MODEL.NAME) has its own tests.
FAMILIES = ("RESNET", "ANYNET", "REGNET", "EN", "MB", "VIT", "DENSENET", "PYRAMIDNET", "IDML")
ROWS = [(kind, key) for kind, (_, others) in CASES.items() for key in others]


def tensors_of(model):
    """Return {name: shape} of the weights and statistics of a network."""
    return {name: value.shape for name, value in model.state_dict().items() if value.is_floating_point()}


def outputs(model, weights, im_size):
    """Return logits and uncertainties of one random image in evaluation, float64, with given weights."""
    model.double().eval().load_state_dict(weights, strict=False)
    image = torch.randn(1, 3, im_size, im_size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logits, pulls = with_pulls(model, image)
    return logits if pulls is None else torch.cat([logits, pulls])


def random_weights(model):
    """Return weights that no layer ignores: statistics and gammas are not those that a network starts with."""
    drawn = torch.Generator().manual_seed(1)
    weights = {}
    for name, shape in tensors_of(model).items():
        value = torch.randn(shape, dtype=torch.float64, generator=drawn)
        weights[name] = value.abs() + 0.5 if "running_var" in name else value * 0.2
    return weights


@pytest.mark.parametrize(("kind", "key"), ROWS, ids=[f"{kind}-{key}" for kind, key in ROWS])
def test_equal_weights_compute_what_the_declaration_says(kind, key):
    keys = CASES[kind][0]
    model = build_model(cfg_of(keys))
    other = build_model(cfg_of(keys | BESIDE.get(key, {}) | {key: CASES[kind][1][key]}))
    differs = tensors_of(model) != tensors_of(other)
    if not differs:
        weights = random_weights(model)
        one, two = (outputs(network, weights, keys["TRAIN.IM_SIZE"]) for network in (model, other))
        assert one.isfinite().all()
        differs = not torch.equal(one, two)
    assert differs == (declared_keys()[key].decides == "network")


def test_every_key_of_a_family_is_tried():
    tried = {key for _, key in ROWS}
    families = {key for key in declared_keys(outside=False) if key.partition(".")[0] in FAMILIES}
    network = {key for key, row in declared_keys(outside=False).items() if row.decides == "network"}
    assert (families | network) - tried == {"MODEL.NAME"}
