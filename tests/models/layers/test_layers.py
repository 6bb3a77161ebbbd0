"""Initialization, shared layers and stochastic depth, against closed formulas."""

import math

import pytest
import torch
from torch import nn

from pycls.models import build_model
from pycls.models.layers.basic import SE, Style, TFConv2d, conv2d
from pycls.models.layers.residual import drop_connect
from pycls.models.layers.stems import STEMS, stem_layers
from tests.helpers.model_records import cfg_of

BOTTLENECK = {
    "MODEL.TYPE": "anynet",
    "ANYNET.DEPTHS": [2, 2],
    "ANYNET.WIDTHS": [64, 128],
    "ANYNET.STRIDES": [2, 2],
    "ANYNET.GROUP_WS": [16, 16],
    "ANYNET.SE_ON": True,
    "TRAIN.IM_SIZE": 32,
}
EFFNET = {
    "MODEL.TYPE": "effnet",
    "MODEL.ACTIVATION_FUN": "silu",
    "EN.DEPTHS": [1, 3],
    "EN.WIDTHS": [24, 40],
    "EN.STRIDES": [1, 2],
    "EN.EXP_RATIOS": [1, 6],
    "EN.KERNELS": [3, 5],
    "TRAIN.IM_SIZE": 32,
}


@pytest.mark.parametrize("keys", [BOTTLENECK, EFFNET])
def test_convolutions_start_he_normal_by_fan_out(keys):
    torch.manual_seed(0)
    for conv in filter(lambda module: isinstance(module, nn.Conv2d), build_model(cfg_of(keys)).modules()):
        std = math.sqrt(2 / (conv.kernel_size[0] ** 2 * conv.out_channels))  # groups do not divide
        scatter = 4 / math.sqrt(conv.weight.numel())  # 4 standard errors, of the mean and (halved) of the deviation
        assert abs(conv.weight.mean().item()) < scatter * std
        assert conv.weight.std().item() == pytest.approx(std, rel=scatter)


def test_linear_starts_small_with_zero_bias():
    torch.manual_seed(0)
    fc = build_model(cfg_of(BOTTLENECK | {"MODEL.NUM_CLASSES": 100})).head.fc
    assert fc.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert fc.bias.abs().max() == 0


def test_se_biases_keep_the_default_of_pytorch():
    torch.manual_seed(0)
    bias = build_model(cfg_of(BOTTLENECK)).s2.b2.f.se.f_ex[2].bias
    bound = 1 / math.sqrt(32)  # uniform in +- 1 / sqrt(fan-in); SE's width is a quarter of the block's 128 inputs
    assert 0.8 * bound < bias.abs().max() <= bound


def test_one_seed_one_network():
    states = []
    for _ in range(2):
        torch.manual_seed(7)
        states.append(build_model(cfg_of(BOTTLENECK)).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def zero_gammas(keys):
    """Return the names of the BatchNorm weights that start at 0; all others must start at 1."""
    model = build_model(cfg_of(keys | {"BN.ZERO_INIT_FINAL_GAMMA": True}))
    gammas = {name: m.weight for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert all(gamma.min() == gamma.max() for gamma in gammas.values())
    assert {gamma.max().item() for gamma in gammas.values()} <= {0.0, 1.0}
    return [name for name, gamma in gammas.items() if gamma.max() == 0]


def test_zero_gamma_ends_every_residual_branch():
    assert zero_gammas(BOTTLENECK) == [f"s{i}.b{j}.f.c_bn" for i in (1, 2) for j in (1, 2)]
    basic = {"ANYNET.BLOCK_TYPE": "res_basic_block", "ANYNET.SE_ON": False}
    assert zero_gammas(BOTTLENECK | basic) == [f"s{i}.b{j}.f.b_bn" for i in (1, 2) for j in (1, 2)]


def test_zero_gamma_spares_branches_without_a_shortcut():
    """There a zero would silence the whole network."""
    linear = {"ANYNET.BLOCK_TYPE": "res_bottleneck_linear_block"}
    assert zero_gammas(BOTTLENECK | linear) == ["s1.b2.f.c_bn", "s2.b2.f.c_bn"]
    vanilla = {"ANYNET.BLOCK_TYPE": "vanilla_block", "ANYNET.SE_ON": False}
    assert zero_gammas(BOTTLENECK | vanilla) == []
    assert zero_gammas(EFFNET) == ["s2.b2.lin_proj_bn", "s2.b3.lin_proj_bn"]


def test_gammas_start_at_one():
    weights = [m.weight for m in build_model(cfg_of(BOTTLENECK)).modules() if isinstance(m, nn.BatchNorm2d)]
    assert all((weight == 1).all() for weight in weights)


def test_batch_norm_keys_reach_every_layer():
    model = build_model(cfg_of(EFFNET | {"BN.EPS": 1e-3, "BN.MOM": 0.25}))
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.25)}


@pytest.mark.parametrize(
    ("name", "kind"), [("relu", nn.ReLU), ("silu", nn.SiLU), ("swish", nn.SiLU), ("gelu", nn.GELU)]
)
def test_activation_key_reaches_every_layer(name, kind):
    kinds = {"ReLU", "SiLU", "GELU"}
    model = build_model(cfg_of(BOTTLENECK | {"MODEL.ACTIVATION_FUN": name}))
    assert {type(m) for m in model.modules() if type(m).__name__ in kinds} == {kind}


@pytest.mark.parametrize("inplace", [True, False])
def test_inplace_key_is_honored(inplace):
    model = build_model(cfg_of(BOTTLENECK | {"MODEL.ACTIVATION_INPLACE": inplace}))
    assert {m.inplace for m in model.modules() if isinstance(m, nn.ReLU)} == {inplace}


def test_drop_connect_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    y = drop_connect(torch.ones(20_000, 2, 1, 3), 0.2)
    assert (y == y[:, :1, :, :1]).all()  # one draw for each sample
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1.25]))
    assert (y[:, 0, 0, 0] == 0).double().mean().item() == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 20_000))


def test_drop_connect_acts_in_training_and_on_shortcut_blocks_only():
    model = build_model(cfg_of(EFFNET | {"EN.DC_RATIO": 0.5}))
    x = torch.rand(64, 40, 4, 4)
    block = model.s2.b2
    torch.manual_seed(0)
    dropped = (block(x) == x).flatten(1).all(1).sum().item()
    assert 16 <= dropped <= 48  # 32 expected, deviation 4
    assert not (block.eval()(x) == x).flatten(1).all(1).any()
    first = model.s2.b1  # changes the shape: dropping its branch would leave nothing
    y = first(torch.rand(64, 24, 4, 4))
    assert (y.flatten(1).abs().sum(1) > 0).all()


def test_dropout_ratio_is_the_classifiers():
    assert build_model(cfg_of(EFFNET | {"EN.DROPOUT_RATIO": 0.3})).head.dropout.p == 0.3


def test_se_gates_channels():
    se = SE(3, 2, Style()).eval()
    x = torch.rand(2, 3, 4, 4)
    pooled = x.mean((2, 3))
    hidden = (pooled @ se.f_ex[0].weight[:, :, 0, 0].T + se.f_ex[0].bias).relu()
    gate = (hidden @ se.f_ex[2].weight[:, :, 0, 0].T + se.f_ex[2].bias).sigmoid()
    torch.testing.assert_close(se(x), x * gate[:, :, None, None])


@pytest.mark.parametrize("name", STEMS)
@pytest.mark.parametrize("size", [32, 33])
def test_stem_strides(name, size):
    y = stem_layers(STEMS[name], 8, Style())(torch.rand(1, 3, size, size))
    assert y.shape == (1, 8, *[math.ceil(size / STEMS[name].stride)] * 2)


def test_even_kernels_are_refused():
    with pytest.raises(AssertionError, match="even kernel"):
        conv2d(3, 8, 4)


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (5, 3), (1, 2)])
def test_tensorflow_padding_is_its_formula(size, kernel, stride):
    """Output o sees inputs from o * stride - floor(total / 2) on; total is what ceil(size / stride) outputs lack."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    conv = conv2d(1, 1, kernel, stride=stride, tf_padding=True)
    assert isinstance(conv, TFConv2d)
    image = torch.rand(1, 1, size, size)
    with torch.no_grad():
        y = conv(image)[0, 0]
    assert y.shape == (math.ceil(size / stride),) * 2
    for row in range(y.shape[0]):
        for column in range(y.shape[1]):
            top, left = row * stride - total // 2, column * stride - total // 2
            wanted = sum(
                conv.weight[0, 0, i, j].item() * image[0, 0, top + i, left + j].item()
                for i in range(kernel)
                for j in range(kernel)
                if 0 <= top + i < size and 0 <= left + j < size
            )
            assert y[row, column].item() == pytest.approx(wanted, abs=1e-5)


def test_tensorflow_padding_is_that_of_the_whole_network_or_none():
    model = build_model(cfg_of(EFFNET | {"EN.TF_PADDING": True, "MODEL.ACTIVATION_FUN": "relu6", "EN.SE_R": 0.0}))
    strided = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.stride[0] > 1]
    assert len(strided) == 2 and all(isinstance(m, TFConv2d) for m in strided)
    kinds = {type(m) for m in model.modules()}
    assert nn.ReLU6 in kinds and SE not in kinds
    assert not any(isinstance(m, TFConv2d) for m in build_model(cfg_of(EFFNET)).modules())
