"""Weights that fit in part: refused, unless a training says so; a replaced classifier alone is welcome."""

import re

import pytest
import timm
import torch
import torchvision
from torch import nn

from pycls.core.weights import fill_model, load_weights
from pycls.core.weights.fit import FITS
from pycls.core.weights.formats import unpack_weights
from pycls.core.weights.report import by_module
from tests.core.weights.test_weights import RESNET, tiny_net
from tests.helpers.documented.supplies import empty_network
from tests.helpers.model_records import cfg_of

R50 = {"MODEL.NUM_CLASSES": 1000, "MODEL.DEPTH": 50} | RESNET


def zeros(make, name):
    """Return the state_dict of a library's network, in no time."""
    with torch.device("meta"):
        state = make(name).state_dict()
    return {key: torch.zeros(value.shape, dtype=value.dtype) for key, value in state.items()}


def fill(model, state, fit, where="resnet50.pth"):
    return fill_model(model, unpack_weights(state, where), where, fit)


# The tensors of 17 blocks more; two biased convolutions in each of 16 blocks.
FOREIGN = {"resnet101": (torchvision.models.get_model, 306), "seresnet50": (timm.create_model, 64)}


@pytest.fixture(scope="module")
def r50():
    return empty_network(cfg_of(R50))


@pytest.mark.parametrize("name", FOREIGN)
def test_networks_around_resnet50_are_not_resnet50(r50, name):
    make, unexpected = FOREIGN[name]
    state = zeros(make, name)
    with pytest.raises(ValueError, match=rf"not the weights of this network: .*{unexpected} tensors not in the net"):
        fill(r50, state, "exact")
    report = fill(r50, state, "part")
    assert len(report.unexpected) == unexpected
    text = "\n".join(report.left_out())
    counts = [int(count) for count in re.findall(r"\((\d+)\)", text.split("In the file only", 1)[1])]
    assert sum(counts) == unexpected and len(text) < 800, text


def test_a_start_without_the_stem_says_so(r50):
    state = zeros(timm.create_model, "resnet50d")
    with pytest.raises(ValueError, match=r"fits the network only in part: .*tensors missing \(stem.*WEIGHTS_PARTIAL"):
        fill(r50, state, "backbone")
    report = fill(r50, state, "part")
    fresh, left = report.left_out()[:2]
    assert "keeps its fresh values: stem.conv (1)" in fresh and "conv1" in left
    assert all(name.startswith(("stem.", "s")) for name in report.missing) and "stem.conv.weight" in report.missing


def test_nothing_in_common_is_no_start():
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2, 3))
    for fit in FITS:
        with pytest.raises(ValueError, match="other"):
            fill(net, {"other.weight": torch.ones(3)} if fit == "part" else {"0.other": torch.ones(2)}, fit)


def without(net, *names):
    return {key: value for key, value in net.state_dict().items() if key not in names}


WELCOME = {
    "of another size": lambda: tiny_net(7).state_dict(),
    "left out": lambda: without(tiny_net(), "fc.weight", "fc.bias"),
    "under another name": lambda: (
        without(tiny_net(), "fc.weight", "fc.bias")
        | {"last_linear.weight": torch.ones(9, 2), "last_linear.bias": torch.ones(9)}
    ),
    "in two layers": lambda: (
        without(tiny_net(), "fc.weight", "fc.bias") | {"fc.0.weight": torch.ones(2, 2), "fc.2.weight": torch.ones(9, 2)}
    ),
}


@pytest.mark.parametrize("kind", WELCOME)
def test_a_replaced_classifier_alone_is_welcome_to_a_start(kind):
    net, state = tiny_net(), WELCOME[kind]()
    before = net.fc.weight.clone()
    state["stem.weight"] = torch.full_like(net.stem.weight, 7.0)
    fill(net, state, "backbone")
    assert torch.equal(net.fc.weight, before) and (net.stem.weight == 7).all()
    with pytest.raises(ValueError, match="not the weights of this network"):
        fill(net, state, "exact")


@pytest.mark.parametrize("change", ["missing", "unexpected", "of another shape"])
def test_anything_else_is_not(change, tmp_path):
    state = tiny_net().state_dict()
    if change == "missing":
        del state["body.3.weight"]
    else:
        state["body.8.weight" if change == "unexpected" else "body.3.weight"] = torch.ones(3, 2)
    torch.save(state, tmp_path / "a.pth")
    net = tiny_net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=r"a\.pth: fits the network only in part: .*body\.[38]\.weight"):
        load_weights(net, tmp_path / "a.pth")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items()), "left alone"
    report = load_weights(net, tmp_path / "a.pth", partial=True)
    assert len(report.left_out()) == 1 and re.search(r"body\.[38]", report.left_out()[0])


# ---- numbers that are none


def spoiled(name, how):
    state = {key: value.clone() for key, value in tiny_net().state_dict().items()}
    state[name] = how(state[name])
    return state


def with_first(number, dtype=None):
    def change(tensor):
        tensor = tensor.to(dtype or tensor.dtype)
        tensor.view(-1)[0] = number
        return tensor

    return change


BAD_NUMBERS = {
    "NaN weight": ("stem.weight", with_first(float("nan")), "NaN or infinite"),
    "infinite bias": ("body.2.bias", with_first(float("-inf")), "NaN or infinite"),
    "NaN statistics": ("bn.running_mean", with_first(float("nan")), "NaN or infinite"),
    "infinite variance": ("bn.running_var", with_first(float("inf")), "NaN or infinite"),
    "negative variance": ("bn.running_var", with_first(-0.5), "negative variances"),
    "NaN in half precision": ("stem.weight", with_first(float("nan"), torch.float16), "NaN or infinite"),
    "beyond float32": ("stem.weight", with_first(1e300, torch.float64), "NaN or infinite"),
    "NaN classifier": ("fc.bias", with_first(float("nan")), "NaN or infinite"),
    "quantized to int8": ("stem.weight", lambda tensor: tensor.to(torch.int8), "int8"),
    "complex": ("stem.weight", lambda tensor: tensor.to(torch.complex64), "complex64"),
    "quantized": (
        "stem.weight",
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        "is quantized",
    ),
    "sparse": ("body.2.weight", lambda tensor: tensor.to_sparse(), "no dense tensor"),
    "without data": ("stem.weight", lambda tensor: tensor.to("meta"), "without data"),
}


@pytest.mark.filterwarnings("ignore:torch.quantize")
@pytest.mark.parametrize("kind", BAD_NUMBERS)
def test_tensors_that_hold_no_numbers_are_named_and_refused(kind):
    name, how, said = BAD_NUMBERS[kind]
    state, net = spoiled(name, how), tiny_net()
    before = net.state_dict()[name].clone()
    for fit, words in {"exact": "not the weights of", "backbone": "WEIGHTS_PARTIAL"}.items():
        with pytest.raises(ValueError, match=rf"(?s)(?=.*{words})(?=.*{re.escape(name)} .*{said})"):
            fill(net, state, fit)
    report = fill(net, state, "part")
    assert list(report.rejected) == [name] and name in report.left_out()[0]
    assert torch.equal(net.state_dict()[name], before), "keeps its fresh values"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_other_precisions_are_read(dtype):
    state = {key: value.to(dtype) for key, value in tiny_net().state_dict().items()}
    net = tiny_net()
    assert not fill(net, state, "exact").missing
    assert torch.equal(net.stem.weight, state["stem.weight"].float())


# ---- constants


def test_constants_of_a_network_may_be_there_or_not():
    class Window(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("relative_position_index", torch.arange(4))
            self.qkv, self.norm, self.fc = nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 3)

    net, old = nn.ModuleList([Window(), Window()]), ("0.relative_position_index", "0.norm.num_batches_tracked")
    with_constants = {**net.state_dict(), "0.attn_mask": torch.ones(1), "0.norm.num_batches_tracked": torch.ones(1)}
    for state in (without(net, *old), with_constants):
        report = fill(net, state, "exact")
        assert not report.missing and not report.unexpected
    assert torch.equal(net[0].relative_position_index, torch.arange(4)) and net[0].norm.num_batches_tracked.dim() == 0
    with pytest.raises(ValueError, match=r"1 tensors missing \(0\.norm\.running_mean\)"):
        fill(net, without(net, "0.norm.running_mean"), "exact")


def test_modules_are_counted_as_deep_as_they_can_be_named():
    names = [f"s{stage}.b{block}.{part}.weight" for stage in (1, 2) for block in (1, 2) for part in "ab"]
    assert by_module(names, 8).startswith("s1.b1.a (1), s1.b1.b (1)")
    assert by_module(names, 4) == "s1.b1 (2), s1.b2 (2), s2.b1 (2), s2.b2 (2)"
    assert by_module(names, 2) == "s1 (4), s2 (4)"
    assert by_module(names, 1) == "s1 (4) and 1 more" and by_module(["bias"]) == "bias (1)" and by_module([]) == ""
