"""Stochastic depth: timm's probabilities, the branch alone is dropped, in training only, in every residual family."""

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.layers import residual
from pycls.models.layers.basic import Style
from pycls.models.layers.blocks import ResBasicBlock, Stage
from pycls.models.layers.residual import Residual

CIFAR = ["TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE", "32"]
ANYNET = ["MODEL.TYPE", "anynet", "ANYNET.DEPTHS", "[2, 2]", "ANYNET.WIDTHS", "[8, 16]", "ANYNET.STRIDES", "[1, 2]"]
BOTTLENECK = ["RESNET.TRANS_FUN", "bottleneck_transform"]
LINEAR = ["ANYNET.BLOCK_TYPE", "res_bottleneck_linear_block"]

# Network, number of its residual blocks, those that have nothing to drop (the first, and blocks without a shortcut).
FAMILIES = {
    "resnet": (["MODEL.TYPE", "resnet", "MODEL.DEPTH", "50", *BOTTLENECK], 16, [0]),
    "anynet": (ANYNET, 4, [0]),
    "anynet, linear blocks": ([*ANYNET, *LINEAR, "ANYNET.STEM_W", "16"], 4, [0, 2]),
    "anynet, pooled": ([*ANYNET, "ANYNET.POOL", "avg"], 4, [0]),
    "regnet": (["MODEL.TYPE", "regnet"], 10, [0]),
    "pyramidnet": (["MODEL.TYPE", "pyramidnet", "MODEL.DEPTH", "20", *CIFAR], 6, [0]),
    "cutmix_resnet, basic": (["MODEL.TYPE", "cutmix_resnet", "MODEL.DEPTH", "14", *CIFAR], 6, [0]),
    "cutmix_resnet": (["MODEL.TYPE", "cutmix_resnet", "MODEL.DEPTH", "20", *BOTTLENECK, *CIFAR], 6, [0]),
    "lip_resnet": (["MODEL.TYPE", "lip_resnet", "MODEL.DEPTH", "50"], 16, [0]),
}


def build(words, ratio):
    with torch.device("meta"):
        return build_model(load_cfg(None, [*words, "MODEL.STOCHASTIC_DEPTH", str(ratio)]))


def test_probabilities_are_those_of_timm():
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        theirs = timm.create_model("resnet50", drop_path_rate=0.05)
    wanted = [module.drop_prob for name, module in theirs.named_modules() if name.endswith("drop_path")]
    ours = build(FAMILIES["resnet"][0], 0.05)
    found = [module.drop_ratio for module in ours.modules() if isinstance(module, Residual)]
    assert found[0] == 0 and found[1:] == pytest.approx(wanted) and len(wanted) == 15
    plain = build(FAMILIES["resnet"][0], 0.0)
    assert not any(module.drop_ratio for module in plain.modules() if isinstance(module, Residual))
    assert list(ours.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_block_of_a_family_drops_its_branch_in_training_only(name, monkeypatch):
    words, count, kept = FAMILIES[name]
    model, seen = build(words, 0.5), []
    monkeypatch.setattr(residual, "drop_connect", lambda x, ratio: seen.append(ratio) or x)
    images = torch.empty(2, 3, 64, 64, device="meta")
    model.eval()(images)
    assert not seen
    model.train()(images)
    assert seen == pytest.approx([0.5 * i / (count - 1) for i in range(count) if i not in kept])


def test_a_sample_keeps_its_shortcut_or_gets_the_branch_stronger():
    torch.manual_seed(0)
    block = ResBasicBlock(4, 1, Stage(1, 4, 1), 0.0, Style()).train()
    x = torch.randn(1, 4, 6, 6).expand(400, -1, -1, -1)
    shortcut, whole = torch.relu(x[0]), torch.relu(x[0] + block.f(x)[0] / 0.75)
    block.drop_ratio = 0.25
    y = block(x)
    dropped = [torch.allclose(one, shortcut, atol=1e-6) for one in y]
    assert all(torch.allclose(one, whole, atol=1e-5) for one, gone in zip(y, dropped, strict=True) if not gone)
    assert 70 < sum(dropped) < 130


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"MODEL.STOCHASTIC_DEPTH must be at least 0 and below 1, got 1"):
        build(ANYNET, 1.0)
    with pytest.raises(ValueError, match=r"MODEL.STOCHASTIC_DEPTH 0.1: vit has no residual blocks .*; set it to 0"):
        build(["MODEL.TYPE", "vit"], 0.1)
    effnet = [f"EN.{key}" for key in ("DEPTHS", "WIDTHS", "EXP_RATIOS", "STRIDES", "KERNELS")]
    with pytest.raises(ValueError, match=r"effnet has no residual blocks that heed it; use EN.DC_RATIO"):
        build(
            [
                "MODEL.TYPE",
                "effnet",
                "MODEL.ACTIVATION_FUN",
                "silu",
                *(word for key in effnet for word in (key, "[1]")),
            ],
            0.1,
        )
