"""The architecture keys of EfficientNet and MobileNet, networks of inverted residual blocks."""

from pycls.core.config.key import Key
from pycls.core.config.keys.shapes import depths, drop_rate, kernels, ratio, ratios, strides, width, widths

_MB_ACTIVATIONS = ("relu", "swish", "hardswish")

EN = {
    "STEM_W": width(32, comment="channels after the stem"),
    "DEPTHS": depths([], comment="blocks of each stage"),
    "WIDTHS": widths([], comment="channels of each stage"),
    "EXP_RATIOS": ratios([], comment="MBConv expansion of each stage"),
    "SE_R": Key(
        0.25,
        "network",
        "SE width / channels of the block's input; 0: none (EfficientNet-Lite)",
        at_least=0,
        at_most=1,
    ),
    "STRIDES": strides([], comment="stride of each stage's first block"),
    "KERNELS": kernels([], comment="depthwise kernel of each stage, odd"),
    "HEAD_W": width(1280, comment="channels of the head convolution"),
    "DC_RATIO": drop_rate(0.0, comment="drop-connect (stochastic depth) probability of every block"),
    "DROPOUT_RATIO": drop_rate(0.0, comment="dropout before the classifier"),
    "TF_PADDING": Key(
        False,
        "network",
        "strided convolutions pad right and bottom first, for weights from TensorFlow",
        ours=True,
    ),
}

# MobileNetV2 and V3 of pytorch-cls; the lists have one value per block.
MB = {
    "STEM_W": width(32, comment="channels after the stem", ours=True),
    "STEM_ACT": Key(
        "relu",
        "network",
        "activation of the stem; swish means hardswish here, as in pytorch-cls",
        choices=_MB_ACTIVATIONS,
        table="pycls.models.layers.mobile_blocks.MB_ACTIVATIONS",
        ours=True,
    ),
    "WIDTH_MULT": ratio(1.0, comment="factor on WIDTHS; stem and head keep theirs", ours=True),
    "WIDTHS": widths([], comment="output channels of each block", ours=True),
    "EXP_RATIOS": ratios([], comment="expansion of each block", ours=True),
    "SE_RATIOS": Key(
        [],
        "network",
        "SE width / expanded channels of each block; 0 is off",
        items=float,
        at_least=0,
        at_most=1,
        ours=True,
    ),
    "ACTS": Key(
        [],
        "network",
        "activation of each block, as STEM_ACT",
        items=str,
        choices=_MB_ACTIVATIONS,
        table="pycls.models.layers.mobile_blocks.MB_ACTIVATIONS",
        ours=True,
    ),
    "STRIDES": strides([], comment="stride of each block", ours=True),
    "KERNELS": kernels([], comment="depthwise kernel of each block, odd", ours=True),
    "HEAD_W": widths([1280], comment="channels of the head convolution, then of hidden linear layers", ours=True),
    "HEAD_ACTS": Key(
        ["relu"],
        "network",
        "their activations",
        items=str,
        choices=_MB_ACTIVATIONS,
        table="pycls.models.layers.mobile_blocks.MB_ACTIVATIONS",
        ours=True,
    ),
    "DC_RATIO": drop_rate(0.0, comment="drop-connect (stochastic depth) probability of every block", ours=True),
    "DROPOUT_RATIO": drop_rate(0.0, comment="dropout before the classifier", ours=True),
}
