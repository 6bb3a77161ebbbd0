"""Weight-decay groups as pycls forms them, and what each optimizer is built with."""

import json

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.core.module_names import layer_numbers
from pycls.engine.restoring.optimizer_state import load_optimizer
from pycls.models import build_model
from pycls.optim import OPTIMIZERS, build_optimizer
from pycls.optim.param_groups import named_roles
from pycls.optim.state_shapes import kept_entries
from tests.helpers.paths import RECORDS, ROOT

GROUPS = json.loads((RECORDS / "pycls_misc_parity.json").read_text())["optimizer_groups"]
EXPECTED = {
    "sgd": {"momentum": 0.8, "nesterov": True},
    "rmsprop": {"momentum": 0.8, "alpha": 0.9},
    "rmsprop_tf": {"momentum": 0.8, "alpha": 0.9},
    "muon": {"momentum": 0.8, "nesterov": True, "betas": (0.9, 0.99)},
}
CONFIGS = {"resnet/R-50-1x64d_dds_8gpu.yaml": "R-50", "effnet/EN-B0_dds_8gpu.yaml": "EN-B0"}


@pytest.mark.parametrize("name", CONFIGS)
def test_groups_and_their_order_are_pycls_s(name):
    path = ROOT / f"configs/baselines/{CONFIGS[name]}.yaml"
    cfg = load_cfg(str(path), ["BN.USE_CUSTOM_WEIGHT_DECAY", "True"])
    with torch.device("meta"):
        model = build_model(cfg)
    names = {id(p): n for n, p in model.named_parameters()}
    groups = build_optimizer(cfg, model).param_groups
    for group, expected in zip(groups, GROUPS[name]["groups"], strict=True):
        members = [names[id(p)] for p in group["params"]]
        assert group["weight_decay"] == expected["weight_decay"] and len(members) == expected["count"]
        assert (
            members[: len(expected["first3"])] == expected["first3"]
            and members[-len(expected["last2"]) :] == expected["last2"]
        )


def test_names_do_not_fool_the_groups():
    net = nn.ModuleDict(
        {"subnet": nn.Linear(2, 2), "fulln": nn.Linear(2, 2), "norm1": nn.BatchNorm2d(2), "x": nn.LayerNorm(2)}
    )
    roles = {name: role for name, _, role in named_roles(net)}
    assert roles["subnet.weight"] == "rest" and roles["fulln.weight"] == "rest" and roles["fulln.bias"] == "bias"
    assert roles["norm1.weight"] == roles["norm1.bias"] == "bn" and roles["x.bias"] == "ln"


def test_every_parameter_is_in_one_group_and_custom_decays_apply():
    keys = [f"{s}.{k}" for s in ("BN", "LN") for k in ("USE_CUSTOM_WEIGHT_DECAY", "CUSTOM_WEIGHT_DECAY")]
    values = ["True", "0.1", "True", "0.2"]
    words = [w for pair in zip(keys, values, strict=True) for w in pair]
    cfg = load_cfg(
        None, [*words, "OPTIM.BIAS_USE_CUSTOM_WEIGHT_DECAY", "True", "OPTIM.BIAS_CUSTOM_WEIGHT_DECAY", "0.3"]
    )
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.LayerNorm(4))
    groups = build_optimizer(cfg, net).param_groups
    assert [(g["weight_decay"], len(g["params"])) for g in groups] == [(0.1, 2), (0.2, 2), (0.3, 1), (5e-4, 1)]


def test_frozen_parameters_are_left_out():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0].requires_grad_(False)
    groups = build_optimizer(load_cfg(None), net).param_groups
    assert sum(len(g["params"]) for g in groups) == 2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_pycls_s_settings_and_lowers_a_loss(name):
    cfg = load_cfg(
        None, ["OPTIM.OPTIMIZER", name, "OPTIM.BASE_LR", "0.05", "OPTIM.BETA2", "0.99", "OPTIM.MOMENTUM", "0.8"]
    )
    torch.manual_seed(0)
    net, x = nn.Linear(3, 1), torch.randn(16, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    optimizer = build_optimizer(cfg, net)
    assert EXPECTED.get(name, {"betas": (0.9, 0.99)}).items() <= optimizer.defaults.items()
    first = ((net(x) - y) ** 2).mean()
    for _ in range(200):
        optimizer.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        optimizer.step()
    assert ((net(x) - y) ** 2).mean() < 0.05 * first


def test_fused_sgd_survives_a_skipped_first_step_and_steps_as_plain_sgd(monkeypatch):
    """A gradient scaler skips steps; the fused kernel must not go on from memory that nobody wrote."""

    def run(fused, skip):
        monkeypatch.setattr("pycls.optim._kernel", lambda groups: {"fused": True} if fused else {})
        torch.manual_seed(0)
        net = nn.Linear(64, 64)
        sgd = build_optimizer(load_cfg(None), net)
        for number in range(3):
            for p in net.parameters():
                p.grad = torch.full_like(p, 0.1)
            if fused:
                sgd.found_inf = torch.tensor(float(skip and number == 0))
                sgd.grad_scale = torch.tensor(1.0)
            elif skip and number == 0:
                continue
            sgd.step()
        return net.weight.detach()

    for skip in (False, True):
        assert torch.allclose(run(True, skip), run(None, skip), rtol=1e-6)


def test_nesterov_without_momentum_is_a_clear_error():
    with pytest.raises(ValueError, match=r"OPTIM\.NESTEROV"):
        build_optimizer(load_cfg(None, ["OPTIM.MOMENTUM", "0.0"]), nn.Linear(2, 2))


@pytest.mark.parametrize("lookahead", [0, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_saved_optimizer_goes_on_with_the_same_bits(name, lookahead):
    cfg = load_cfg(None, ["OPTIM.OPTIMIZER", name, "OPTIM.LOOKAHEAD_STEPS", str(lookahead), "OPTIM.BASE_LR", "0.01"])

    def start():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 4))
        return net, build_optimizer(cfg, net)

    def go(net, optimizer, steps):
        for step in steps:
            optimizer.zero_grad()
            net(torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(step))).square().sum().backward()
            optimizer.step()

    whole, optimizer = start()
    go(whole, optimizer, range(11))
    first, optimizer = start()
    go(first, optimizer, range(4))
    second, resumed = start()
    second.load_state_dict(first.state_dict())
    load_optimizer(resumed, optimizer.state_dict(), kept_entries(cfg, resumed)[0])
    go(second, resumed, range(4, 11))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_lookahead_goes_its_share_of_the_way_every_so_many_steps():
    words = ["OPTIM.NESTEROV", "False", "OPTIM.MOMENTUM", "0", "OPTIM.WEIGHT_DECAY", "0", "OPTIM.BASE_LR", "1"]
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    optimizer = build_optimizer(
        load_cfg(None, [*words, "OPTIM.LOOKAHEAD_STEPS", "2", "OPTIM.LOOKAHEAD_ALPHA", "0.25"]), net
    )
    seen = []
    for _ in range(4):
        net.weight.grad = torch.ones(1, 1)
        optimizer.step()
        seen.append(net.weight.item())
    assert seen == [-1, -2, -3, -2.5], "slow weights -2 from the second step on, then a quarter of the way to -4"


def test_rmsprop_tf_keeps_epsilon_inside_the_root():
    def first_step(name):
        words = ["OPTIM.OPTIMIZER", name, "OPTIM.EPSILON", "0.5", "OPTIM.MOMENTUM", "0", "OPTIM.WEIGHT_DECAY", "0"]
        weight = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(weight.weight)
        weight.weight.grad = torch.full((1, 1), 2.0)
        build_optimizer(load_cfg(None, [*words, "OPTIM.BASE_LR", "1"]), weight).step()
        return -weight.weight.item()

    assert first_step("rmsprop_tf") == pytest.approx(2 / (0.9 * 1 + 0.1 * 4 + 0.5) ** 0.5, rel=1e-6)
    assert first_step("rmsprop") == pytest.approx(2 / ((0.1 * 4) ** 0.5 + 0.5), rel=1e-6)


LAYERS = [
    ["class_token", "conv1.weight", "bn1.weight", "stem.conv.weight", "encoder.pos_embedding"],
    ["s1.b1.proj.weight", "s1.b1.f.a.weight"],
    ["s1.b2.f.a.weight"],
    ["layer1.0.conv1.weight", "layer1.0.downsample.0.weight", "layer1.0.downsample.1.weight"],
    ["blocks.10.gamma", "blocks.10.attn.qkv.weight"],
    ["stages.1.downsample.0.weight", "stages.1.blocks.0.gamma", "stages.1.blocks.0.mlp.fc1.weight"],
    ["encoder.layers.encoder_layer_3.ln_1.weight"],
    ["encoder.ln.weight", "head.fc.weight", "head.fc.bias", "uncertainty.weight"],
]


def test_layers_are_blocks_and_what_lies_around_them():
    found = layer_numbers([name for layer in LAYERS for name in layer])
    assert found == {name: number for number, layer in enumerate(LAYERS) for name in layer}


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("resnet50", []),
        ("convnext_atto", []),
        ("beit_base_patch16_224", []),
        ("swin_tiny_patch4_window7_224", ["norm.weight", "norm.bias"]),
        ("vit_tiny_patch16_224", ["norm.weight", "norm.bias"]),
    ],
)
def test_layers_are_timms_but_for_a_final_norm(name, apart):
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        model = timm.create_model(name)
    theirs = timm.models.group_parameters(model, model.group_matcher(coarse=False), reverse=True)
    ours = layer_numbers(theirs)
    depths = {key: (max(ours.values()) - ours[key], max(theirs.values()) - theirs[key]) for key in ours}
    assert [key for key, (our, their) in depths.items() if our != their] == apart


def test_without_blocks_each_module_is_a_layer():
    assert list(layer_numbers(["features.0.weight", "features.0.bias", "fc.weight"]).values()) == [0, 0, 1]


def test_layer_decay_scales_the_rate_and_keeps_the_weight_decays():
    cfg = load_cfg(None, ["OPTIM.LAYER_DECAY", "0.5", "BN.USE_CUSTOM_WEIGHT_DECAY", "True"])
    net = nn.ModuleDict({"stem": nn.Linear(2, 2), "s1": nn.BatchNorm2d(2), "head": nn.Linear(2, 2)})
    groups = build_optimizer(cfg, net).param_groups
    scale = {id(p): (g["lr_scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    found = {name: scale[id(p)] for name, p in net.named_parameters()}
    assert found["stem.weight"] == (0.25, 5e-4) and found["s1.bias"] == (0.5, 0.0) and found["head.bias"] == (1, 5e-4)
