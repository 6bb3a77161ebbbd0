"""Weights of every layout get into a network, or an error says why not."""

import argparse
import os

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

from pycls.core.checkpoint import load_weights, save_safetensors
from pycls.core.weights.files import load_tensor_file, safetensors_metadata
from pycls.models import build_model
from tests.helpers.model_records import cfg_of


def tiny_net(num_classes=4):
    torch.manual_seed(0)
    net = nn.Sequential()
    net.stem = nn.Conv2d(3, 2, 3, bias=False)
    net.bn = nn.BatchNorm2d(2)
    net.body = nn.ModuleList(nn.Linear(2, 2) for _ in range(8))
    net.fc = nn.Linear(2, num_classes)
    return net


def pycls_file(path, net, cfg="TRAIN:\n  DATASET: imagenet\n", **more):
    torch.save({"epoch": 99, "model_state": net.state_dict(), "optimizer_state": {}, "cfg": cfg, **more}, path)


def test_a_pycls_file_becomes_rgb(tmp_path):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.stem.weight)
    pycls_file(tmp_path / "a.pyth", source)
    report = load_weights(target, tmp_path / "a.pyth")
    image = torch.randn(1, 3, 8, 8)
    assert torch.allclose(target.stem(image), source.stem(image.flip(1)), atol=1e-6), "RGB in, as BGR before"
    assert "BGR" in str(report) and "stem.weight" in str(report) and not report.missing


@pytest.mark.parametrize(
    "cfg",
    [
        "TRAIN: {DATASET: cifar10}",
        "DATA_LOADER: {MODE: ffcv}",
        "DATA_LOADER: {BACKEND: torch}",
        "DATA_LOADER: {USE_DALI: True}",
    ],
)
def test_a_pycls_file_that_was_rgb_stays_so(tmp_path, cfg):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.stem.weight)
    pycls_file(tmp_path / "a.pyth", source, cfg)
    load_weights(target, tmp_path / "a.pyth")
    assert torch.equal(target.stem.weight, source.stem.weight)


def test_the_better_of_model_and_ema_is_taken(tmp_path):
    model, ema, target = tiny_net(), tiny_net(), tiny_net()
    nn.init.constant_(ema.fc.bias, 7.0)
    pycls_file(tmp_path / "a.pyth", model, ema_state=ema.state_dict(), test_err=30.0, ema_err=29.0)
    assert "ema_state" in str(load_weights(target, tmp_path / "a.pyth")) and target.fc.bias[0] == 7.0
    pycls_file(tmp_path / "a.pyth", model, ema_state=ema.state_dict(), test_err=30.0, ema_err=30.0)
    load_weights(target, tmp_path / "a.pyth")
    assert torch.equal(target.fc.bias, model.fc.bias)


def test_wrapper_prefixes_and_counter_buffers_are_dropped(tmp_path):
    source, target = tiny_net(), tiny_net(4)
    state = {f"module._orig_mod.{k}": v + 1 for k, v in source.state_dict().items()}
    state |= {"module.total_ops": torch.zeros(1), "module.fc.total_params": torch.zeros(1)}
    torch.save(state, tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    assert not report.missing and not report.unexpected and torch.equal(target.fc.bias, source.fc.bias + 1)


def test_another_head_is_reinitialized_and_said_so(tmp_path):
    pycls_file(tmp_path / "a.pyth", tiny_net(4))
    target = tiny_net(7)
    before = target.fc.weight.clone()
    report = load_weights(target, tmp_path / "a.pyth")
    assert report.reinitialized == ["fc.weight", "fc.bias"] and "re-initialized" in str(report)
    assert torch.equal(target.fc.weight, before)


def test_another_network_is_refused_and_left_alone(tmp_path):
    pycls_file(tmp_path / "a.pyth", nn.Conv2d(3, 2, 3))
    target = tiny_net()
    before = {k: v.clone() for k, v in target.state_dict().items()}
    with pytest.raises(ValueError, match=r"only 0% of the network's tensors"):
        load_weights(target, tmp_path / "a.pyth")
    assert all(torch.equal(v, before[k]) for k, v in target.state_dict().items())


class Attack:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("wrap", [dict, lambda **found: argparse.Namespace(**found).__dict__])
@pytest.mark.parametrize("key", ["model_state", "state_dict", "args"])
def test_no_layout_runs_code(tmp_path, monkeypatch, key, wrap):
    monkeypatch.chdir(tmp_path)
    torch.save(wrap(**({"state_dict": tiny_net().state_dict()} | {key: Attack()})), tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth: not a readable checkpoint"):
        load_weights(tiny_net(), tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()


def test_a_namespace_cannot_hide_an_attack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": tiny_net().state_dict(), "args": argparse.Namespace(a=Attack())}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_weights(tiny_net(), tmp_path / "evil.pth")
    assert not (tmp_path / "pwned").exists()


def in_layout(name, state):
    """Return what the training programs write around a state_dict."""
    wrapped = {f"module.{key}": value for key, value in state.items()}
    return {
        "torchvision": {"model": state, "optimizer": {}, "args": argparse.Namespace(lr=0.1), "epoch": 3},
        "timm": {"state_dict": {}, "state_dict_ema": state, "arch": "resnet50", "args": argparse.Namespace(lr=0.1)},
        "cutmix": {"epoch": 299, "arch": "pyramidnet", "state_dict": wrapped, "best_err1": 2.88, "optimizer": {}},
        "lip": {"epoch": 90, "arch": "resnet", "state_dict": wrapped, "best_acc1": torch.tensor(78.2)},
        "pytorch-cls": {"epoch": 1, "model_state": state | {"stem.total_ops": torch.zeros(1)}, "cfg": RGB},
        "torchvision ema": {"model_ema": wrapped | {"n_averaged": torch.tensor(9)}, "model": {}},
    }[name]


RGB = "DATA_LOADER: {BACKEND: torch}"


@pytest.mark.parametrize("name", ["torchvision", "timm", "cutmix", "lip", "pytorch-cls", "torchvision ema"])
def test_training_files_of_others(tmp_path, name):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.fc.weight)
    torch.save(in_layout(name, source.state_dict()), tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    assert torch.equal(target.fc.weight, source.fc.weight)
    assert not report.missing and not report.unexpected and not report.reinitialized
    assert ("training file" in report.layout) == (name != "pytorch-cls")


@pytest.mark.parametrize("metadata", [{}, {"cfg": "A: 1", "classes": ["a", "b"], "pixels": {"mean": [0.5]}}])
def test_safetensors(tmp_path, metadata):
    source, target = tiny_net(), tiny_net()
    nn.init.normal_(source.fc.weight)
    save_safetensors(source.state_dict(), safetensors_metadata(metadata), tmp_path / "a.safetensors")
    assert not load_weights(target, tmp_path / "a.safetensors").missing
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())
    theirs = safetensors.torch.load_file(tmp_path / "a.safetensors")
    assert torch.equal(theirs["fc.weight"], source.fc.weight)
    if metadata:
        state = load_tensor_file(tmp_path / "a.safetensors")
        assert {key: state[key] for key in metadata} == metadata
    damaged = (tmp_path / "a.safetensors").read_bytes()[:-8]
    (tmp_path / "a.safetensors").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"a\.safetensors: not a readable checkpoint"):
        load_weights(target, tmp_path / "a.safetensors")


def test_tensors_that_share_memory_are_written_one_by_one(tmp_path):
    weight = torch.arange(6.0).view(2, 3)
    save_safetensors({"a": weight, "b": weight, "c": weight.T}, {}, tmp_path / "a.safetensors")
    loaded = load_tensor_file(tmp_path / "a.safetensors")
    assert torch.equal(loaded["b"], weight) and torch.equal(loaded["c"], weight.T)


def test_half_precision_files_load(tmp_path):
    torch.save({key: value.half() for key, value in tiny_net().state_dict().items()}, tmp_path / "a.pth")
    target = tiny_net()
    assert not load_weights(target, tmp_path / "a.pth").missing and target.fc.weight.dtype == torch.float32


def test_auxiliary_classifiers_of_another_size_are_reinitialized_too(tmp_path):
    def net(num_classes):
        return nn.ModuleDict(
            {"body": nn.Conv2d(3, 8, 3), "norm": nn.BatchNorm2d(8), "aux": nn.Linear(8, num_classes)}
            | {"fc": nn.Conv2d(8, num_classes, 1)}
        )

    torch.save(net(10).state_dict(), tmp_path / "a.pth")
    names = ["aux.weight", "aux.bias", "fc.weight", "fc.bias"]
    assert load_weights(net(5), tmp_path / "a.pth").reinitialized == names
    assert load_weights(net(8), tmp_path / "a.pth").reinitialized == names, "as many classes as channels"


# ---- names of torchvision's networks; its own code says what they compute

RESNET = {"MODEL.TYPE": "resnet", "RESNET.TRANS_FUN": "bottleneck_transform", "RESNET.STRIDE_1X1": False}
BASIC = {"MODEL.TYPE": "anynet", "ANYNET.STEM_TYPE": "res_stem_in", "ANYNET.BLOCK_TYPE": "res_basic_block"}
BASIC |= {"ANYNET.DEPTHS": [2] * 4, "ANYNET.WIDTHS": [64, 128, 256, 512], "ANYNET.STRIDES": [1, 2, 2, 2]}
REGNET_X = {"REGNET.DEPTH": 16, "REGNET.W0": 56, "REGNET.WA": 35.73, "REGNET.WM": 2.28, "REGNET.GROUP_W": 16}
REGNET_Y = {"REGNET.DEPTH": 16, "REGNET.W0": 48, "REGNET.WA": 27.89, "REGNET.WM": 2.09, "REGNET.GROUP_W": 8}
EFFNET = {"EN.DEPTHS": [1, 2, 2, 3, 3, 4, 1], "EN.WIDTHS": [16, 24, 40, 80, 112, 192, 320]}
EFFNET |= {"EN.STRIDES": [1, 2, 2, 2, 1, 2, 1], "EN.EXP_RATIOS": [1] + [6] * 6, "EN.KERNELS": [3, 3, 5, 3, 5, 5, 3]}
TWINS = {
    "resnet18": BASIC | {"ANYNET.STEM_W": 64},
    "resnet50": RESNET | {"MODEL.DEPTH": 50},
    "resnext50_32x4d": RESNET | {"MODEL.DEPTH": 50, "RESNET.NUM_GROUPS": 32, "RESNET.WIDTH_PER_GROUP": 4},
    "regnet_x_800mf": {"MODEL.TYPE": "regnet"} | REGNET_X,
    "regnet_y_400mf": {"MODEL.TYPE": "regnet", "REGNET.SE_ON": True} | REGNET_Y,
    "efficientnet_b0": {"MODEL.TYPE": "effnet", "MODEL.ACTIVATION_FUN": "silu"} | EFFNET,
}


def torchvision_net(name, num_classes=1000):
    """Build torchvision's network with statistics that matter."""
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, num_classes=num_classes).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return net


@pytest.mark.parametrize("name", TWINS)
def test_torchvision_networks_here_compute_the_same(tmp_path, name):
    theirs = torchvision_net(name)
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    ours = build_model(cfg_of({"MODEL.NUM_CLASSES": 1000} | TWINS[name])).eval()
    report = load_weights(ours, tmp_path / "a.pth")
    assert not report.missing and not report.unexpected and "torchvision" in report.layout
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=1e-5, atol=1e-5)
    torch.save(ours.state_dict(), tmp_path / "b.pth")
    back = torchvision.models.get_model(name)
    assert not load_weights(back, tmp_path / "b.pth").missing, "and the other way round"
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in back.state_dict().items())


def test_a_torchvision_file_with_another_head(tmp_path):
    torch.save(torchvision_net("resnet18", 10).state_dict(), tmp_path / "a.pth")
    ours = build_model(cfg_of({"MODEL.NUM_CLASSES": 7} | TWINS["resnet18"]))
    assert load_weights(ours, tmp_path / "a.pth").reinitialized == ["head.fc.weight", "head.fc.bias"]


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("resnet50", {"RESNET.STRIDE_1X1": True}, "needs RESNET.STRIDE_1X1 False"),
        ("regnet_x_800mf", {"BN.EPS": 1e-3}, "needs BN.EPS 1e-05, the network has 0.001"),
    ],
)
def test_tensors_that_would_mean_another_network_are_refused(tmp_path, name, keys, said):
    torch.save(torchvision_net(name).state_dict(), tmp_path / "a.pth")
    ours = build_model(cfg_of({"MODEL.NUM_CLASSES": 1000} | TWINS[name] | keys))
    with pytest.raises(ValueError, match=said):
        load_weights(ours, tmp_path / "a.pth")
