"""Networks for other channels than RGB: every family, the cost, and weights made for RGB."""

import pytest
import torch
from torch import nn

from pycls.core.checkpoint import load_weights
from pycls.models import MODELS, build_model
from pycls.models.complexity import complexity
from tests.helpers.model_records import cfg_of
from tests.models.test_model_table import COMMON, EXAMPLES


def _build(name: str, channels: int) -> nn.Module:
    if name == "timm":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    scale = {key: [0.5] * channels for key in ("DATA_LOADER.MEAN", "DATA_LOADER.STD")}
    return build_model(cfg_of({"MODEL.TYPE": name, "DATA_LOADER.CHANNELS": channels} | scale | COMMON | EXAMPLES[name]))


def _first_conv(model: nn.Module) -> nn.Conv2d:
    return next(module for module in model.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("name", MODELS)
def test_every_family_sees_any_number_of_channels(name):
    rgb, cost = _build(name, 3), {}
    for channels in (1, 4):
        model = _build(name, channels).eval()
        assert model(torch.rand(2, channels, 32, 32)).shape == (2, 7)
        cost[channels] = complexity(model, 32)
    cost[3] = complexity(rgb, 32)
    conv = _first_conv(rgb)
    for channels, counts in cost.items():
        params = conv.out_channels * conv.kernel_size[0] * conv.kernel_size[1] * (channels - 3)
        assert counts["params"] - cost[3]["params"] == params
        assert (counts["flops"] > cost[3]["flops"]) == (channels > 3) and counts["acts"] == cost[3]["acts"]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "timm"])  # which initializes its own
@pytest.mark.parametrize("channels", [1, 4, 6])
def test_a_fresh_network_sees_equal_channels_as_one_for_rgb_does(name, channels):
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    rgb, model = _build(name, 3).eval(), _build(name, channels).eval()
    stem_rgb, stem = _first_conv(rgb), _first_conv(model)
    if channels == 4:  # R, G, B and R again, times 3/4
        assert torch.allclose(stem.weight, 0.75 * stem_rgb.weight[:, [0, 1, 2, 0]])
        return
    wanted, shown = rgb(images.expand(-1, 3, -1, -1)), model(images.expand(-1, channels, -1, -1))
    assert torch.allclose(wanted, shown, atol=1e-4 * wanted.abs().max().clamp(min=1).item())


@pytest.mark.parametrize("name", ["resnet18", "timm", "regnet", "vit"])
@pytest.mark.parametrize("channels", [1, 5])
def test_weights_for_rgb_are_adapted_and_it_is_said(name, channels, tmp_path):
    family = "torchvision" if name == "resnet18" else name
    source, target = _build(family, 3), _build(family, channels)
    weight = nn.init.normal_(_first_conv(source).weight)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    planes = weight.sum(1, keepdim=True) if channels == 1 else weight[:, [0, 1, 2, 0, 1]] * 3 / 5
    assert torch.allclose(_first_conv(target).weight, planes)
    words = "summed over RGB" if channels == 1 else "repeated, times 3/5"
    assert f"adapted from 3 input channels to {channels} ({words})" in str(report) and not report.missing


def test_what_has_four_dimensions_before_the_first_convolution_is_passed_by(tmp_path):
    class WithPositions(nn.Sequential):  # such as timm's VOLO and SAM
        def __init__(self, channels: int):
            super().__init__(nn.Conv2d(channels, 4, 2), nn.Conv2d(4, 3, 2))
            self.pos_embed = nn.Parameter(torch.rand(1, 6, 6, 4))

    source, target = WithPositions(3), WithPositions(4)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    report = load_weights(target, tmp_path / "a.pth")
    assert next(iter(source.state_dict())) == "pos_embed" and not report.missing
    assert torch.allclose(target[0].weight, 0.75 * source[0].weight[:, [0, 1, 2, 0]])


def test_weights_for_bgr_are_turned_first(tmp_path):
    source, target = _build("resnet", 3), _build("resnet", 4)
    weight = nn.init.normal_(_first_conv(source).weight)
    torch.save(
        {"epoch": 9, "model_state": source.state_dict(), "cfg": "TRAIN: {DATASET: imagenet}"}, tmp_path / "a.pyth"
    )
    report = str(load_weights(target, tmp_path / "a.pyth"))
    assert "converted from BGR to RGB" in report and "adapted from 3 input channels to 4" in report
    assert torch.allclose(_first_conv(target).weight, 0.75 * weight[:, [2, 1, 0, 2]])


def test_timm_adapts_in_the_same_way():
    timm = pytest.importorskip("timm.models")
    from pycls.core.weights.input_channels import adapt_channels

    weight = torch.randn(5, 3, 7, 7)
    for channels in (1, 2, 4, 7):
        assert torch.allclose(adapt_channels(weight, channels), timm.adapt_input_conv(channels, weight))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_that_scale_rgb_themselves_say_so(name):
    keys = {"MODEL.TYPE": "torchvision", "MODEL.NAME": name, "DATA_LOADER.CHANNELS": 1, "TRAIN.IM_SIZE": 299}
    with pytest.raises(ValueError, match=f"DATA_LOADER.CHANNELS 1: {name} scales the three of RGB itself"):
        build_model(cfg_of(keys))


def test_a_network_without_a_convolution_over_rgb_says_so(monkeypatch):
    monkeypatch.setitem(MODELS, "mine", lambda cfg: nn.Sequential(nn.Flatten(), nn.LazyLinear(7)))
    cfg = cfg_of({"DATA_LOADER.CHANNELS": 1})
    cfg.defrost()
    cfg.MODEL.TYPE = "mine"
    with pytest.raises(ValueError, match=r"DATA_LOADER\.CHANNELS 1: mine has no convolution over RGB"):
        build_model(cfg)
