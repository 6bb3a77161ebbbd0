"""How other code bases name the networks that are here, too: (their module, pycls's module), see key_mapping.py."""

from pycls.core.weights import variants
from pycls.core.weights.key_mapping import Naming


def _in_block(theirs: str, ours: str, parts: dict[str, str]) -> list[tuple[str, str]]:
    """Return pairs of a block's modules: `theirs` and `ours` are its prefixes, `parts` {their module: pycls's}."""
    return [(f"{theirs}.{name}", f"{ours}.{part}") for name, part in parts.items()]


_OURS, _OURS_1 = "s{s}.b{b}", "s1.b{b}"
_SE = {"fc1": "f.se.f_ex.0", "fc2": "f.se.f_ex.2"}
_RESNET = [
    ("conv1", "stem.conv"),
    ("bn1", "stem.bn"),
    *_in_block("layer{s}.{n}", _OURS, {"conv1": "f.a", "bn1": "f.a_bn", "conv2": "f.b", "bn2": "f.b_bn"}),
    *_in_block("layer{s}.{n}", _OURS, {"conv3": "f.c", "bn3": "f.c_bn", "downsample.0": "proj", "downsample.1": "bn"}),
    ("fc", "head.fc"),
]
_REGNET_BLOCK = "trunk_output.block{s}.block{s}-{n}"
_REGNET = [
    ("stem.0", "stem.conv"),
    ("stem.1", "stem.bn"),
    *_in_block(_REGNET_BLOCK, _OURS, {"proj.0": "proj", "proj.1": "bn"}),
    *_in_block(_REGNET_BLOCK, _OURS, {f"f.{part}.0": f"f.{part}" for part in "abc"}),
    *_in_block(_REGNET_BLOCK, _OURS, {f"f.{part}.1": f"f.{part}_bn" for part in "abc"}),
    *_in_block(_REGNET_BLOCK, _OURS, {f"f.se.{name}": part for name, part in _SE.items()}),
    ("fc", "head.fc"),
]
_TIMM_REGNET = [
    ("stem.conv", "stem.conv"),
    ("stem.bn", "stem.bn"),
    *_in_block("s{s}.b{b}", _OURS, {f"conv{i}.conv": f"f.{part}" for i, part in enumerate("abc", start=1)}),
    *_in_block("s{s}.b{b}", _OURS, {f"conv{i}.bn": f"f.{part}_bn" for i, part in enumerate("abc", start=1)}),
    *_in_block("s{s}.b{b}", _OURS, {f"se.{name}": part for name, part in _SE.items()}),
    *_in_block("s{s}.b{b}", _OURS, {"downsample.conv": "proj", "downsample.bn": "bn"}),
    ("head.fc", "head.fc"),
]
_EFFNET_HEAD = ("head.conv", "head.conv_bn", "head.fc")
_EFFNET = [  # torchvision: the first stage does not expand, so the same numbers mean other layers there
    *zip(("features.0.0", "features.0.1"), ("stem.conv", "stem.bn"), strict=True),
    *zip(("features.8.0", "features.8.1", "classifier.1"), _EFFNET_HEAD, strict=True),
    *_in_block("features.1.{n}.block", _OURS_1, {"0.0": "dwise", "0.1": "dwise_bn"}),
    *_in_block("features.1.{n}.block", _OURS_1, {"1.fc1": "se.f_ex.0", "1.fc2": "se.f_ex.2"}),
    *_in_block("features.1.{n}.block", _OURS_1, {"2.0": "lin_proj", "2.1": "lin_proj_bn"}),
    *_in_block("features.{s}.{n}.block", _OURS, {"0.0": "exp", "0.1": "exp_bn", "1.0": "dwise", "1.1": "dwise_bn"}),
    *_in_block("features.{s}.{n}.block", _OURS, {"2.fc1": "se.f_ex.0", "2.fc2": "se.f_ex.2"}),
    *_in_block("features.{s}.{n}.block", _OURS, {"3.0": "lin_proj", "3.1": "lin_proj_bn"}),
]
_EFFNET_SE = {"se_reduce": "se.f_ex.0", "se_expand": "se.f_ex.2"}
_TIMM_EFFNET = [
    *zip(("conv_stem", "bn1", "conv_head", "bn2", "classifier"), ("stem.conv", "stem.bn", *_EFFNET_HEAD), strict=True),
    *_in_block("blocks.0.{n}", _OURS_1, {"conv_dw": "dwise", "bn1": "dwise_bn"}),
    *_in_block("blocks.0.{n}", _OURS_1, {"conv_pw": "lin_proj", "bn2": "lin_proj_bn"}),
    *_in_block("blocks.{t}.{n}", _OURS, {f"se.conv_{name[3:]}": part for name, part in _EFFNET_SE.items()}),
    *_in_block("blocks.{t}.{n}", _OURS, {"conv_pw": "exp", "bn1": "exp_bn", "conv_dw": "dwise", "bn2": "dwise_bn"}),
    *_in_block("blocks.{t}.{n}", _OURS, {"conv_pwl": "lin_proj", "bn3": "lin_proj_bn"}),
]
_PORTED_EFFNET = [
    *zip(("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc"), ("stem.conv", "stem.bn", *_EFFNET_HEAD), strict=True),
    *_in_block("_blocks.{i}", _OURS, {"_expand_conv": "exp", "_bn0": "exp_bn"}),
    *_in_block("_blocks.{i}", _OURS, {"_depthwise_conv": "dwise", "_bn1": "dwise_bn"}),
    *_in_block("_blocks.{i}", _OURS, {f"_{name}": part for name, part in _EFFNET_SE.items()}),
    *_in_block("_blocks.{i}", _OURS, {"_project_conv": "lin_proj", "_bn2": "lin_proj_bn"}),
]

NAMINGS = {
    "resnet": Naming("torchvision and timm ResNet", _RESNET, variants.resnet),
    "regnet": Naming("torchvision RegNet", _REGNET, variants.regnet),
    "timm_regnet": Naming("timm RegNet", _TIMM_REGNET, variants.regnet),
    "effnet": Naming("torchvision EfficientNet", _EFFNET, variants.torchvision_effnet),
    "timm_effnet": Naming("timm EfficientNet", _TIMM_EFFNET, variants.timm_effnet),
    "ported_effnet": Naming("EfficientNet-PyTorch", _PORTED_EFFNET, variants.ported_effnet),
}
