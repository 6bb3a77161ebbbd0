"""The counter: hand-computed networks, and a model that must not notice being counted."""

import copy

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.complexity import complexity, layer_table
from pycls.models.layers.blurpool import add_blurpool
from tests.helpers.paths import CONFIGS


class Tiny(nn.Module):
    """A strided convolution with bias, a grouped one used twice, a pool, a classifier."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.b = nn.Conv2d(8, 8, 3, padding=1, groups=4, bias=False)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.bn(self.a(x))
        x = self.pool(self.b(self.b(x)))
        return self.fc(self.drop(x.mean((2, 3))))


def test_hand_count():
    # 15 pixels -> 8 -> pool 4; flops: a with its bias, b twice (2 inputs a group), the classifier with its bias
    flops = 8 * 8 * 8 * (3 * 9 + 1) + 2 * (8 * 8 * 8 * 2 * 9) + 5 * (8 + 1)
    acts = 3 * (8 * 8 * 8) + 8 * 4 * 4 + 5
    params = (8 * 27 + 8) + 16 + 8 * 18 + (40 + 5)
    assert complexity(Tiny(), 15) == {"flops": flops, "params": params, "acts": acts}


def test_layer_table_lists_calls_in_order():
    rows = layer_table(Tiny(), 15)
    assert [row["name"] for row in rows] == ["a", "bn", "b", "b", "pool", "drop", "fc"]
    assert rows[0]["type"] == "Conv2d" and rows[0]["output_shape"] == (8, 8, 8)
    assert [row["params"] for row in rows] == [224, 16, 144, 0, 0, 0, 45]  # a shared layer's parameters once
    total = complexity(Tiny(), 15)
    assert {key: sum(row[key] for row in rows) for key in total} == total


def test_frozen_and_half_precision_models_count_the_same():
    assert complexity(Tiny().requires_grad_(False).half(), 15) == complexity(Tiny(), 15)


@pytest.mark.parametrize("training", [True, False])
def test_model_is_left_untouched(training):
    model = Tiny().train(training)
    calls = []
    model.a.register_forward_hook(lambda *_: calls.append("forward"))
    model.a.register_forward_pre_hook(lambda *_: calls.append("before"))
    state, names = copy.deepcopy(model.state_dict()), {name: set(vars(m)) for name, m in model.named_modules()}
    storage, rng = model.a.weight.data_ptr(), torch.get_rng_state()
    complexity(model, 15)
    assert calls == [] and len(model.a._forward_hooks) == len(model.a._forward_pre_hooks) == 1
    assert {name: set(vars(m)) for name, m in model.named_modules()} == names
    assert not any(m._forward_hooks for m in model.modules() if m is not model.a)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in state.items())
    assert all(m.training is training for m in model.modules())
    assert (model.a.weight.data_ptr(), model.a.weight.device.type) == (storage, "cpu")
    assert torch.equal(torch.get_rng_state(), rng) and torch.is_grad_enabled()
    model(torch.rand(2, 3, 15, 15)).sum().backward()
    assert calls == ["before", "forward"]


def test_counts_in_eval_mode():
    """A BatchNorm over a single pixel of a single image has no statistics to train on."""
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1, bias=False)).train()
    assert complexity(model, 8) == {"flops": 12, "params": 6 + 12, "acts": 4}


def test_unknown_convention_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'mac', did you mean 'macs'\?"):
        complexity(Tiny(), 15, convention="mac")


@pytest.mark.parametrize("name", ["R-50", "EN-B0", "RegNetY-4.0GF"])
def test_fvcore_counts_the_same(name):
    """An independent counter: traces a forward pass; it leaves biases of linear layers and convolutions out."""
    cfg = load_cfg(str(CONFIGS / f"baselines/{name}.yaml"))
    model = build_model(cfg).eval()
    analysis = FlopCountAnalysis(model, torch.zeros(1, 3, 64, 64)).unsupported_ops_warnings(False)
    operators = analysis.uncalled_modules_warnings(False).by_operator()
    biases = sum(row["acts"] for row in layer_table(model, 64) if bias_of(model, row) is not None)
    assert operators["conv"] + operators["linear"] + biases == complexity(model, 64)["flops"]


def bias_of(model, row):
    return getattr(model.get_submodule(row["name"]), "bias", None) if row["type"] in ("Conv2d", "Linear") else None


# One of each kind of network, each with something that is computed between layers or in a way of its own.
KINDS = ("recipes/FFCV-R-50-16", "lip/LIP-R-50", "pyramidnet/PyramidNet-110-a64-cifar100", "efficientnet_lite/EN-Lite0")
KINDS += ("idml/IDML-CutMix-R-50",)


@pytest.mark.parametrize("name", KINDS)
def test_torch_counts_the_same(name):
    """torch's counter sees operations, not layers: two a multiply-add, no biases."""
    cfg = load_cfg(str(CONFIGS / f"{name}.yaml"))
    with torch.device("meta"):
        model, image = build_model(cfg).eval(), torch.empty(1, 3, cfg.TRAIN.IM_SIZE, cfg.TRAIN.IM_SIZE)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    rows = layer_table(model, cfg.TRAIN.IM_SIZE)
    biases = sum(
        np.prod(row["output_shape"]) for row in rows if getattr(layer_of(model, row), "bias", None) is not None
    )
    assert sum(row["flops"] for row in rows) == counter.get_total_flops() // 2 + biases


def layer_of(model, row):
    """Return the convolution or linear layer of a row, None for another one."""
    layer = model.get_submodule(row["name"])
    return layer if isinstance(layer, (nn.Conv2d, nn.Linear)) else None


class Scaled(nn.Conv2d):
    """A convolution that scales its weights: as many multiply-adds, computed in a way of its own."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight * 2, self.bias)


def test_what_a_convolution_computes_beside_its_weights_counts():
    """9 multiply-adds a value of the blurred input, once; a subclass without anything beside stays a convolution."""
    conv = nn.Conv2d(16, 8, 1, stride=2)
    own, blur, bias = 8 * 16 * 5 * 5, 9 * 16 * 10 * 10, 8 * 5 * 5
    blurred = nn.Sequential(copy.deepcopy(conv))
    assert add_blurpool(blurred) == 1
    stem = nn.Conv2d(3, 16, 1, bias=False)
    seen = 3 * 16 * 10 * 10
    assert complexity(nn.Sequential(stem, conv), 10)["flops"] == seen + own + bias
    assert complexity(nn.Sequential(stem, blurred), 10)["flops"] == seen + own + bias + blur
    assert complexity(nn.Sequential(stem, blurred), 10, "ptflops")["flops"] == seen + own + bias  # layers only
    assert complexity(nn.Sequential(stem, Scaled(16, 8, 1)), 10)["flops"] == seen + 8 * (16 + 1) * 10 * 10
