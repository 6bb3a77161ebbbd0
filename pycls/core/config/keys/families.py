"""The architecture keys of the families built of residual blocks, of densely connected networks and transformers."""

from pycls.core.config.key import Key
from pycls.core.config.keys.model import POOLS
from pycls.core.config.keys.shapes import MOST_BLOCKS, WIDEST, depths, kernels, ratio, ratios, strides, width, widths

_STEMS = ("res_stem_cifar", "res_stem_in", "simple_stem_in")
_BLOCKS = ("vanilla_block", "res_basic_block", "res_bottleneck_block", "res_bottleneck_linear_block")

RESNET = {
    "TRANS_FUN": Key(
        "basic_transform",
        "network",
        "residual branch",
        choices=("basic_transform", "bottleneck_transform"),
        table="pycls.models.resnet.TRANSFORMS",
    ),
    "NUM_GROUPS": width(1, comment="groups of the 3x3 convolution (32 in ResNeXt 32x4d)"),
    "WIDTH_PER_GROUP": width(64, comment="channels of a group in stage 1"),
    "STRIDE_1X1": Key(True, "network", "stride of a bottleneck on its first 1x1 (True) or on its 3x3 (False)"),
    "POOL": Key(
        "",
        "network",
        "strided blocks and stem pool like LIP-ResNet's; empty: as published",
        choices=POOLS,
        table="pycls.models.lip.POOLINGS",
        ours=True,
    ),
}

ANYNET = {
    "STEM_TYPE": Key("simple_stem_in", "network", "stem", choices=_STEMS, table="pycls.models.layers.stems.STEMS"),
    "STEM_W": width(32, comment="channels after the stem"),
    "BLOCK_TYPE": Key(
        "res_bottleneck_block", "network", "block", choices=_BLOCKS, table="pycls.models.layers.blocks.BLOCKS"
    ),
    "DEPTHS": depths([], comment="blocks of each stage"),
    "WIDTHS": widths([], comment="channels of each stage"),
    "STRIDES": strides([], comment="stride of each stage's first block"),
    "BOT_MULS": ratios([], comment="bottleneck width / stage width; empty: 1 everywhere"),
    "GROUP_WS": widths([], comment="channels per group of the 3x3, which divide its width; empty: one group"),
    "HEAD_W": Key(
        0,
        "network",
        "channels of an extra 1x1 convolution before pooling; 0 leaves it out",
        at_least=0,
        at_most=WIDEST,
    ),
    "SE_ON": Key(False, "network", "squeeze and excitation in bottleneck blocks"),
    "SE_R": ratio(0.25, at_most=1, comment="SE width / channels of the block's input"),
    "POOL": Key("", "network", "as RESNET.POOL", choices=POOLS, table="pycls.models.lip.POOLINGS", ours=True),
}

REGNET = {
    "STEM_TYPE": Key(
        "simple_stem_in", "network", "as ANYNET.STEM_TYPE", choices=_STEMS, table="pycls.models.layers.stems.STEMS"
    ),
    "STEM_W": width(32, comment="channels after the stem"),
    "BLOCK_TYPE": Key(
        "res_bottleneck_block",
        "network",
        "as ANYNET.BLOCK_TYPE",
        choices=_BLOCKS,
        table="pycls.models.layers.blocks.BLOCKS",
    ),
    "STRIDE": Key(2, "network", "stride of every stage", at_least=1, at_most=64),
    "SE_ON": Key(False, "network", "squeeze and excitation (RegNetY)"),
    "SE_R": ratio(0.25, at_most=1, comment="SE width / channels of the block's input"),
    "DEPTH": Key(10, "network", "total number of blocks", at_least=1, at_most=MOST_BLOCKS),
    "W0": Key(32, "network", "initial width, a multiple of 8", at_least=8, at_most=WIDEST),
    "WA": Key(5.0, "network", "slope of the width, channels a block", at_least=0, at_most=WIDEST),
    "WM": Key(2.5, "network", "quantization step", above=1, at_most=100),
    "GROUP_W": width(16, comment="channels per group"),
    "BOT_MUL": ratio(1.0, comment="bottleneck width / stage width"),
    "HEAD_W": Key(0, "network", "as ANYNET.HEAD_W", at_least=0, at_most=WIDEST),
}

VIT = {
    "PATCH_SIZE": Key(16, "network", "side of a patch; divides TRAIN.IM_SIZE (pixels)", at_least=1, at_most=16_384),
    "STEM_TYPE": Key(
        "patchify",
        "network",
        "stem",
        choices=("patchify", "conv"),
        table="pycls.models.layers.vit_stems.VIT_STEMS",
    ),
    "C_STEM_KERNELS": kernels([], comment="conv stem: the last one is used, all others are 3 (as pycls)"),
    "C_STEM_STRIDES": strides([], comment="conv stem: their product is PATCH_SIZE"),
    "C_STEM_DIMS": widths([], comment="conv stem: channels; the last is HIDDEN_DIM"),
    "NUM_LAYERS": Key(12, "network", "encoder blocks", at_least=1, at_most=MOST_BLOCKS),
    "NUM_HEADS": Key(12, "network", "attention heads; divide HIDDEN_DIM", at_least=1, at_most=10_000),
    "HIDDEN_DIM": width(768, comment="width of a token"),
    "MLP_DIM": width(3072, comment="width inside the perceptron of a block"),
    "CLASSIFIER_TYPE": Key(
        "token",
        "network",
        "token: a class token; pooled: the mean of all",
        choices=("token", "pooled"),
        table="pycls.models.vit.CLASSIFIER_TYPES",
    ),
}

DENSENET = {
    "POOL": Key(
        "avg",
        "network",
        "pooling of the transitions; lip for LIP-DenseNet",
        choices=("avg", "lip"),
        table="pycls.models.densenet.POOLS",
        ours=True,
    ),
}

PYRAMIDNET = {
    "ALPHA": Key(
        48.0,
        "network",
        "channels of the last block (before its expansion) above those of the stem",
        at_least=0,
        at_most=WIDEST,
        ours=True,
    ),
    "BOTTLENECK": Key(
        True,
        "network",
        "blocks 1x1, 3x3, 1x1; a ResNet's depth on ImageNet (18 .. 200) decides itself",
        ours=True,
    ),
}
