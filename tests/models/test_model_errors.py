"""What a user can get wrong in the architecture keys: one sentence that names the key and the way out."""

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.models import build_model
from tests.helpers.model_records import cfg_of

ANYNET = {
    "MODEL.TYPE": "anynet",
    "ANYNET.DEPTHS": [1, 2],
    "ANYNET.WIDTHS": [16, 32],
    "ANYNET.STRIDES": [2, 2],
    "TRAIN.IM_SIZE": 32,
}
EFFNET = {
    "MODEL.TYPE": "effnet",
    "MODEL.ACTIVATION_FUN": "silu",
    "EN.DEPTHS": [1, 2],
    "EN.WIDTHS": [16, 24],
    "EN.STRIDES": [1, 2],
    "EN.EXP_RATIOS": [1, 6],
    "EN.KERNELS": [3, 5],
    "TRAIN.IM_SIZE": 32,
}
REGNET = {"MODEL.TYPE": "regnet", "TRAIN.IM_SIZE": 32}
RESNET = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 50, "TRAIN.IM_SIZE": 224, "TRAIN.DATASET": "imagenet"}
CIFAR = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 20, "TRAIN.IM_SIZE": 32, "TRAIN.DATASET": "cifar10"}

VIT = {
    "MODEL.TYPE": "vit",
    "VIT.PATCH_SIZE": 8,
    "VIT.NUM_LAYERS": 1,
    "VIT.NUM_HEADS": 2,
    "VIT.HIDDEN_DIM": 16,
    "VIT.MLP_DIM": 16,
    "TRAIN.IM_SIZE": 32,
}
CONV_STEM = {
    "VIT.STEM_TYPE": "conv",
    "VIT.C_STEM_KERNELS": [3, 3, 1],
    "VIT.C_STEM_STRIDES": [2, 4, 1],
    "VIT.C_STEM_DIMS": [8, 16, 16],
}
MOBILENET = {
    "MODEL.TYPE": "mobilenet",
    "MB.WIDTHS": [16, 24],
    "MB.EXP_RATIOS": [1, 6],
    "MB.SE_RATIOS": [0, 0.25],
    "MB.ACTS": ["relu", "hardswish"],
    "MB.STRIDES": [1, 2],
    "MB.KERNELS": [3, 5],
    "TRAIN.IM_SIZE": 32,
}
LIP = {"MODEL.TYPE": "lip_resnet", "MODEL.DEPTH": 50, "TRAIN.IM_SIZE": 64}
DENSENET = {"MODEL.TYPE": "densenet", "MODEL.DEPTH": 121, "TRAIN.IM_SIZE": 64}
PYRAMID = {"MODEL.TYPE": "pyramidnet", "MODEL.DEPTH": 29, "TRAIN.DATASET": "cifar10", "TRAIN.IM_SIZE": 32}
CUTMIX = {"MODEL.TYPE": "cutmix_resnet", "MODEL.DEPTH": 20, "TRAIN.DATASET": "cifar10", "TRAIN.IM_SIZE": 32}

CASES = [
    (
        ANYNET,
        {"ANYNET.STEM_TYPE": "res_stem"},
        r"ANYNET.STEM_TYPE: unknown choice 'res_stem', did you mean 'res_stem_in'",
    ),
    (ANYNET, {"ANYNET.BLOCK_TYPE": "res_basic"}, r"ANYNET.BLOCK_TYPE.*did you mean 'res_basic_block'"),
    (ANYNET, {"ANYNET.DEPTHS": []}, r"ANYNET.DEPTHS is empty"),
    (ANYNET, {"ANYNET.WIDTHS": [16]}, r"ANYNET.WIDTHS has 1 values but ANYNET.DEPTHS has 2"),
    (ANYNET, {"ANYNET.STRIDES": [2, 2, 2]}, r"ANYNET.STRIDES has 3 values but ANYNET.DEPTHS has 2"),
    (ANYNET, {"ANYNET.BOT_MULS": [1.0]}, r"ANYNET.BOT_MULS has 1 values but ANYNET.DEPTHS has 2"),
    (ANYNET, {"ANYNET.GROUP_WS": [8, 8, 8]}, r"ANYNET.GROUP_WS has 3 values but ANYNET.DEPTHS has 2"),
    (ANYNET, {"ANYNET.DEPTHS": [1, 0]}, r"ANYNET.DEPTHS must be whole numbers, each at least 1, got \[1, 0\]"),
    (ANYNET, {"ANYNET.WIDTHS": [16, 32.5]}, r"ANYNET.WIDTHS must be whole numbers"),
    (ANYNET, {"ANYNET.STEM_W": 0}, r"ANYNET.STEM_W must be at least 1"),
    (ANYNET, {"ANYNET.GROUP_WS": [8, 24]}, r"ANYNET.GROUP_WS: group width 24 of stage 2 does not divide .* 32"),
    (ANYNET, {"ANYNET.BLOCK_TYPE": "vanilla_block", "ANYNET.SE_ON": True}, r"ANYNET.SE_ON: only bottleneck blocks"),
    (ANYNET, {"TRAIN.IM_SIZE": 7}, r"TRAIN.IM_SIZE: 7 pixels is less than .* at least 8"),
    (EFFNET, {"EN.KERNELS": [3, 4]}, r"EN.KERNELS: kernels must be odd, got 4 \(nearest: 3 or 5\)"),
    (EFFNET, {"EN.EXP_RATIOS": [6]}, r"EN.EXP_RATIOS has 1 values but EN.DEPTHS has 2"),
    (EFFNET, {"EN.EXP_RATIOS": [1, -6]}, r"EN.EXP_RATIOS must be numbers, each at least 0.001"),
    (EFFNET, {"EN.DC_RATIO": 1.0}, r"EN.DC_RATIO must be at least 0 and below 1, got 1.0"),
    (EFFNET, {"EN.HEAD_W": 0}, r"EN.HEAD_W must be at least 1"),
    (EFFNET, {"TRAIN.IM_SIZE": 3}, r"TRAIN.IM_SIZE: 3 pixels is less than .* at least 4"),
    (REGNET, {"REGNET.W0": 30}, r"REGNET.W0.*nearest: 32"),
    (REGNET, {"REGNET.WM": 1.0}, r"REGNET.WM"),
    (REGNET, {"REGNET.BOT_MUL": 1.5}, r"REGNET.BOT_MUL"),
    (REGNET, {"REGNET.GROUP_W": 0}, r"REGNET.GROUP_W must be at least 1"),
    (REGNET, {"REGNET.STRIDE": 8}, r"TRAIN.IM_SIZE: 32 pixels is less than .* at least 128"),
    (
        RESNET,
        {"MODEL.DEPTH": 20},
        r"MODEL.DEPTH: 20 is no depth of an ImageNet resnet; expected 50, 101, 152 \(nearest: 50",
    ),
    (RESNET, {"RESNET.TRANS_FUN": "bottleneck"}, r"RESNET.TRANS_FUN.*did you mean 'bottleneck_transform'"),
    (RESNET, {"RESNET.NUM_GROUPS": 0}, r"RESNET.NUM_GROUPS must be at least 1"),
    (RESNET, {"TRAIN.IM_SIZE": 31}, r"TRAIN.IM_SIZE: 31 pixels is less than .* at least 32"),
    (
        CIFAR,
        {"MODEL.DEPTH": 101},
        r"MODEL.DEPTH: 101 is no depth of a CIFAR-style resnet; expected 6n \+ 2 .*nearest: 98",
    ),
    (CIFAR, {"MODEL.DEPTH": 0}, r"MODEL.DEPTH: 0 is no depth of a CIFAR-style resnet.*nearest: 8"),
    (LIP, {"MODEL.DEPTH": 18}, r"MODEL.DEPTH: 18 is no depth of a lip_resnet; expected 50, 101 or 152.*nearest: 50"),
    (LIP, {"TRAIN.IM_SIZE": 31}, r"TRAIN.IM_SIZE: 31 pixels is less than .* at least 32"),
    (DENSENET, {"MODEL.DEPTH": 122}, r"MODEL.DEPTH: 122 is no depth of a densenet; .*nearest: 121"),
    (DENSENET, {"DENSENET.POOL": "lipp"}, r"DENSENET.POOL: unknown choice 'lipp', did you mean 'lip'"),
    (DENSENET, {"TRAIN.IM_SIZE": 31}, r"TRAIN.IM_SIZE: 31 pixels is less than .* at least 32"),
    (PYRAMID, {"MODEL.DEPTH": 110, "PYRAMIDNET.ALPHA": -1}, r"PYRAMIDNET.ALPHA must be at least 0, got -1"),
    (PYRAMID, {"MODEL.DEPTH": 108}, r"MODEL.DEPTH: 108 is no depth of a CIFAR pyramidnet .* 9n \+ 2 .*nearest: 110"),
    (
        PYRAMID,
        {"TRAIN.DATASET": "imagenet", "MODEL.DEPTH": 13, "TRAIN.IM_SIZE": 64},
        r"MODEL.DEPTH: 13 layers make no pyramidnet; expected at least 14",
    ),
    (CUTMIX, {"MODEL.DEPTH": 29}, r"MODEL.DEPTH: 29 is no depth of a CIFAR cutmix_resnet of basic blocks.*nearest: 26"),
    (CUTMIX, {"TRAIN.DATASET": "imagenet"}, r"MODEL.DEPTH: 20 is no depth of an ImageNet cutmix_resnet.*nearest: 18"),
    (ANYNET, {"ANYNET.POOL": "soft"}, r"ANYNET.POOL: unknown choice 'soft', did you mean 'softpool'"),
    (ANYNET, {"ANYNET.POOL": "lip", "ANYNET.BLOCK_TYPE": "vanilla_block"}, r"ANYNET.POOL: only res_basic_block and"),
    (CIFAR, {"RESNET.TRANS_FUN": "bottleneck_transform"}, r"RESNET.TRANS_FUN: .*cifar10 has basic_transform only"),
    (VIT, {"TRAIN.IM_SIZE": 30}, r"TRAIN.IM_SIZE 30 is no multiple of VIT.PATCH_SIZE 8; the nearest is 32"),
    (VIT, {"VIT.NUM_HEADS": 3}, r"VIT.HIDDEN_DIM 16 is no multiple of VIT.NUM_HEADS 3; the nearest is 15"),
    (VIT, {"VIT.NUM_LAYERS": 0}, r"VIT.NUM_LAYERS must be at least 1"),
    (VIT, {"VIT.STEM_TYPE": "convs"}, r"VIT.STEM_TYPE: unknown choice 'convs', did you mean 'conv'"),
    (VIT, {"VIT.CLASSIFIER_TYPE": "tokens"}, r"VIT.CLASSIFIER_TYPE.*did you mean 'token'"),
    (VIT, {"VIT.STEM_TYPE": "conv"}, r"VIT.C_STEM_KERNELS.* expected one per convolution"),
    (VIT | CONV_STEM, {"VIT.C_STEM_STRIDES": [2, 2, 1]}, r"VIT.C_STEM_STRIDES: .*is 4, expected VIT.PATCH_SIZE 8"),
    (VIT | CONV_STEM, {"VIT.C_STEM_DIMS": [8, 16, 24]}, r"VIT.C_STEM_DIMS: the last one is 24, .*VIT.HIDDEN_DIM 16"),
    (VIT | CONV_STEM, {"VIT.C_STEM_DIMS": [8, 16]}, r"VIT.C_STEM_DIMS have \[3, 3, 2\] values"),
    (VIT | CONV_STEM, {"VIT.C_STEM_KERNELS": [3, 3, 2]}, r"VIT.C_STEM_KERNELS: the last one must be odd, got 2"),
    (MOBILENET, {"MB.ACTS": ["relu"]}, r"MB.ACTS has 1 values but MB.WIDTHS has 2: one per block each"),
    (MOBILENET, {"MB.ACTS": ["relu", "relu6"]}, r"MB.ACTS: unknown choice 'relu6', did you mean 'relu'"),
    (MOBILENET, {"MB.HEAD_W": [64, 32]}, r"MB.HEAD_ACTS has 1 values but MB.HEAD_W has 2"),
    (MOBILENET, {"MB.WIDTHS": []}, r"MB.WIDTHS is empty"),
    (MOBILENET, {"MB.KERNELS": [3, 4]}, r"MB.KERNELS: kernels must be odd, got 4"),
    (MOBILENET, {"MB.SE_RATIOS": [0, 2]}, r"MB.SE_RATIOS must be numbers, each between 0 and 1"),
    (MOBILENET, {"MB.WIDTH_MULT": 0}, r"MB.WIDTH_MULT must be at least 0.001"),
    (MOBILENET, {"MB.DROPOUT_RATIO": 1.0}, r"MB.DROPOUT_RATIO must be at least 0 and below 1"),
    (MOBILENET, {"TRAIN.IM_SIZE": 3}, r"TRAIN.IM_SIZE: 3 pixels is less than .* at least 4"),
]


@pytest.mark.parametrize(("base", "change", "message"), CASES, ids=[str(change) for _, change, _ in CASES])
def test_one_sentence_names_the_key(base, change, message):
    with torch.device("meta"):
        build_model(cfg_of(base))
    with pytest.raises(ValueError, match=message) as caught:
        build_model(cfg_of(base | change))
    assert "\n" not in str(caught.value)


def changed(**values):
    """Return the defaults with MODEL keys set behind the back of load_cfg, which would refuse them itself."""
    cfg = load_cfg(None).clone()
    cfg.defrost()
    for name, value in values.items():
        cfg.MODEL[name] = value
    return cfg


@pytest.mark.parametrize("name", ["resnt", "vitt"])
def test_unknown_model_type(name):
    with pytest.raises(ValueError, match=rf"MODEL.TYPE: unknown choice '{name}'.*anynet, .*effnet, .*regnet, resnet"):
        build_model(changed(TYPE=name))


def test_unknown_activation():
    with pytest.raises(ValueError, match=r"MODEL.ACTIVATION_FUN: unknown choice 'rellu', did you mean 'relu'"):
        build_model(changed(TYPE="regnet", ACTIVATION_FUN="rellu"))


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "fashion_mnist", "digits"])
def test_small_images_get_the_three_stage_resnet(dataset):
    model = build_model(cfg_of(CIFAR | {"TRAIN.DATASET": dataset}))
    assert [name for name, _ in model.named_children()] == ["stem", "s1", "s2", "s3", "head"]
