"""Vision transformers: attention against PyTorch's own, initialization and cost against closed formulas."""

import math

import pytest
import torch
from torch import nn

from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table
from pycls.models.layers.attention import SelfAttention
from tests.helpers.model_records import cfg_of

KEYS = {
    "MODEL.TYPE": "vit",
    "MODEL.NUM_CLASSES": 5,
    "VIT.PATCH_SIZE": 8,
    "VIT.NUM_LAYERS": 2,
    "VIT.NUM_HEADS": 4,
    "VIT.HIDDEN_DIM": 64,
    "VIT.MLP_DIM": 96,
    "TRAIN.IM_SIZE": 32,
}
CONV = {
    "VIT.STEM_TYPE": "conv",
    "VIT.C_STEM_KERNELS": [3, 3, 1],
    "VIT.C_STEM_STRIDES": [2, 4, 1],
    "VIT.C_STEM_DIMS": [48, 56, 64],
}


def build(**changes):
    torch.manual_seed(0)
    return build_model(cfg_of(KEYS | changes))


def test_attention_is_that_of_pytorch():
    theirs = nn.MultiheadAttention(24, 3, batch_first=True).double()
    ours = SelfAttention(24, 3).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"5 heads.*24"):
        SelfAttention(24, 5)


@pytest.mark.parametrize(("kind", "num_tokens"), [("token", 17), ("pooled", 16)])
def test_cost_by_hand(kind, num_tokens):
    d, mlp, heads, n, classes = 64, 96, 4, num_tokens, 5
    stem = 16 * d * (3 * 64 + 1)
    attention = 3 * n * d * (d + 1) + 2 * n * n * d + n * d * (d + 1)
    perceptron = n * mlp * (d + 1) + n * d * (mlp + 1)
    flops = stem + 2 * (attention + perceptron) + classes * (d + 1)
    acts = 16 * d + 2 * (3 * n * d + heads * n * n + n * d + n * d + n * mlp + n * d) + classes
    model = build(**{"VIT.CLASSIFIER_TYPE": kind})
    counts = complexity(model, 32)
    assert (counts["flops"], counts["acts"]) == (flops, acts)
    assert sum(row["params"] for row in layer_table(model, 32)) == counts["params"]


def test_a_fresh_network_knows_nothing():
    model = build()
    assert model(torch.rand(2, 3, 32, 32)).abs().max() == 0  # the classifier starts at zero
    assert model.class_token.abs().max() == 0
    assert model.pos_embedding.std().item() == pytest.approx(0.02, rel=0.1)


def test_patches_start_by_fan_in():
    conv = build().stem.patchify
    assert conv.weight.std().item() == pytest.approx(math.sqrt(1 / (3 * 8 * 8)), rel=0.05)
    assert conv.bias.abs().max() == 0


def test_stem_convolutions_start_by_outputs_alone():
    stem = build(**CONV).stem
    assert stem.cstem0_conv.weight.std().item() == pytest.approx(math.sqrt(2 / 48), rel=0.1)
    assert stem.cstem1_conv.weight.std().item() == pytest.approx(math.sqrt(2 / 56), rel=0.05)
    assert stem.cstem_last_conv.weight.std().item() == pytest.approx(math.sqrt(1 / 64), rel=0.1)
    assert stem.cstem_last_conv.bias.abs().max() == 0


def test_blocks_start_as_pycls_starts_them():
    block = build().encoder.block_1
    linear, attention = block.mlp_block.linear_1, block.self_attention.block
    assert linear.weight.abs().max().item() == pytest.approx(math.sqrt(6 / (64 + 96)), rel=0.02)
    assert 0 < linear.bias.abs().max().item() < 1e-5
    assert attention.in_proj_weight.abs().max().item() == pytest.approx(math.sqrt(6 / (4 * 64)), rel=0.02)
    assert attention.out_proj.weight.abs().max().item() == pytest.approx(1 / math.sqrt(64), rel=0.02)
    assert attention.in_proj_bias.abs().max() == attention.out_proj.bias.abs().max() == 0


def test_epsilons_and_the_stems_activation():
    model = build(**CONV | {"LN.EPS": 1e-6, "BN.EPS": 1e-3, "MODEL.ACTIVATION_FUN": "silu"})
    assert {m.eps for m in model.modules() if isinstance(m, nn.LayerNorm)} == {1e-6}
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
    assert isinstance(model.stem.cstem0_af, nn.ReLU)  # whatever MODEL.ACTIVATION_FUN says


def test_kernels_that_pycls_does_not_use_are_told():
    with pytest.warns(UserWarning, match=r"C_STEM_KERNELS \[5, 3, 1\]: all but the last are built as 3"):
        model = build(**CONV | {"VIT.C_STEM_KERNELS": [5, 3, 1]})
    assert model.stem.cstem0_conv.kernel_size == (3, 3)


def test_pooling_ignores_the_order_of_tokens_and_the_token_network_does_not_pool():
    """Without positions a pooled network is invariant to a permutation of the patches."""
    model = build(**{"VIT.CLASSIFIER_TYPE": "pooled"}).double()
    nn.init.zeros_(model.pos_embedding)
    nn.init.normal_(model.head.head_fc.weight)
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(model(x.flip(3).unflatten(3, (4, 8)).flip(4).flatten(3)), model(x))
    assert "class_token" not in model.state_dict() and "class_token" in build().state_dict()
