"""The conventions against the counters they are named after, the tables they were published in, and closed formulas."""

import json

import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn
from torchvision import models

from pycls.models.complexity import complexity, layer_table
from pycls.models.complexity.conventions import CONVENTIONS
from pycls.models.external.torchvision_models import torchvision_model
from tests.helpers.model_records import load_record
from tests.helpers.paths import ZOO_RECORDS

COUNTERS = load_record("counters.json")["networks"]
TABLE = {
    row["config"].split("/")[-1][:-5]: row for row in json.loads((ZOO_RECORDS / "zoo_torchvision.json").read_text())
}
OPS = ("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "maxvit_t", "mobilenet_v3_small")
OPS += ("regnet_y_400mf", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "swin_t", "vgg11", "vit_b_16")


def network(name, im_size=224):
    with torch.device("meta"):
        return torchvision_model(name, 1000, im_size)


class Tiny(nn.Module):
    """One layer of each kind that a convention treats in its own way."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)
        self.plain_bn = nn.BatchNorm2d(4, affine=False)
        self.relu = nn.ReLU()
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.max_pool = nn.MaxPool2d(2)
        self.avg_pool = nn.AvgPool2d(2)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.norm(self.relu(self.plain_bn(self.bn(self.conv(x)))))  # (N, 4, 8, 8)
        x = torch.nn.functional.avg_pool2d(x.sigmoid().exp(), 1)
        return self.fc(self.global_pool(self.avg_pool(self.max_pool(x))).flatten(1))


def test_hand_count():
    conv, bias, fc, elements = 3 * 4 * 64, 4 * 64, 4 * 5, 4 * 64
    counts = {name: complexity(Tiny(), 8, name) for name in CONVENTIONS}
    assert counts["macs"]["flops"] == conv + bias + fc + 5
    # average pools: 4 x 2 x 2 outputs; then 4 outputs of windows of 4, and a division each
    assert counts["thop"]["flops"] == conv + bias + fc + 2 * 2 * elements + 16 + 4 * (4 + 1)
    pools = elements + 4 * 16 + 4 * 4
    assert counts["ptflops"]["flops"] == conv + bias + fc + (2 + 1) * elements + elements + pools
    assert len({(c["params"], c["acts"]) for c in counts.values()}) == 1


@pytest.mark.parametrize("name", COUNTERS)
def test_thop_and_ptflops_count_the_same(name):
    """To the unit, for convolutional networks of every family, and of transformers what thop sees of them."""
    record = COUNTERS[name]
    model = network(name, record["im_size"])
    assert complexity(model, record["im_size"], "thop")["flops"] == record["thop"]
    if record["ptflops"] is not None:
        assert complexity(model, record["im_size"], "ptflops")["flops"] == record["ptflops"]


@pytest.mark.parametrize("name", TABLE)
def test_the_published_torchvision_table(name):
    published = TABLE[name]["published"]
    counts = complexity(network(name, published["im_size"]), published["im_size"], "thop")
    assert round(counts["params"] / 1e6, 2) == published["params_M"]
    assert round(counts["flops"] / 1e9, 2) == published["flops_B"]
    if "flops" in published and name != "resnet152":
        assert (counts["params"], counts["flops"]) == (published["params"], published["flops"])


def test_the_slips_of_the_published_table():
    """One row repeats another network's counts, one row repeats accuracies: noted, not copied."""
    slip, source = TABLE["resnet152"]["published"], TABLE["resnet101"]["published"]
    assert (slip["params"], slip["flops"]) == (source["params"], source["flops"])
    counts = complexity(network("resnet152"), 224, "thop")
    assert counts["params"] == 60_192_808 and round(counts["flops"] / 1e9, 2) == slip["flops_B"] == 11.56
    assert "repeats" in TABLE["resnet152"]["note"] and "repeats" in TABLE["alexnet"]["note"]


@pytest.mark.parametrize(
    ("name", "flops_b", "exact"),
    [
        ("resnet50", 4.12, 4_089_184_256 + 2 * 11_113_984 + 9_608_704 + 802_816 + 100_352),
        ("resnet101", 7.85, None),
        ("densenet121", 2.88, None),
    ],
)
def test_the_published_lip_table(name, flops_b, exact):
    """The plain baselines in it; the parts of ResNet-50 are counted one by one: BN, ReLU, max pool, average pool."""
    flops = complexity(network(name), 224, "ptflops")["flops"]
    assert round(flops / 1e9, 2) == flops_b
    assert exact in (None, flops)


@pytest.mark.parametrize("name", OPS)
def test_macs_are_torchvisions_operations_and_the_biases(name):
    """torchvision's metadata has products without biases, in units of 1e9 with 3 digits: equal but for both.

    A bias is one addition an output, so that all of them are less than the outputs counted as activations.
    """
    weights = models.get_model_weights(name).IMAGENET1K_V1
    im_size = weights.transforms().crop_size[0]
    counts = complexity(network(name, im_size), im_size)
    above = counts["flops"] - weights.meta["_ops"] * 1e9
    assert -0.5e6 <= above <= counts["acts"] + 0.5e6
    if name in ("densenet121", "resnext50_32x4d"):  # one bias, the classifier's
        assert abs(above - 1000) <= 0.5e6


def test_fvcore_agrees_on_a_network_with_functional_pools():
    model = torchvision_model("densenet121", 1000, 64).eval()
    analysis = FlopCountAnalysis(model, torch.zeros(1, 3, 64, 64)).unsupported_ops_warnings(False)
    operators = analysis.uncalled_modules_warnings(False).by_operator()
    assert operators["conv"] + operators["linear"] + 1000 == complexity(model, 64)["flops"]


class Attention(nn.Module):
    """PyTorch's attention over the pixels of an image as tokens."""

    def __init__(self, batch_first, need_weights):
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=batch_first)
        self.batch_first, self.need_weights = batch_first, need_weights

    def forward(self, x):
        x = x.repeat(1, 4, 1, 1).flatten(2)  # (N, 12, L)
        x = x.transpose(1, 2).contiguous() if self.batch_first else x.permute(2, 0, 1).contiguous()
        return self.attention(x, x, x, need_weights=self.need_weights)[0]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_as_pycls_counts_it(batch_first, need_weights):
    """pycls's formula: query, key, value layers, both products (in activations, too), output layer; with biases."""
    length, width, heads = 16, 12, 3
    layers = 3 * width * (width + 1) * length + width * (width + 1) * length
    flops = layers + 2 * length * length * width
    acts = 3 * width * length + heads * length * length + width * length + width * length
    params = 4 * width * (width + 1)
    model = Attention(batch_first, need_weights)
    assert complexity(model, 4) == {"flops": flops, "params": params, "acts": acts}
    (row,) = layer_table(model, 4)
    assert (row["name"], row["type"], row["flops"]) == ("attention", "MultiheadAttention", flops)
    assert complexity(model, 4, "thop")["flops"] == 0


def test_products_are_counted_where_they_are_computed():
    """A network that multiplies without layers: convolution, product and max pool from the functional interface."""

    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))

        def forward(self, x):
            x = nn.functional.max_pool2d(nn.functional.conv2d(x, self.weight, padding=1), 2)  # (N, 4, 3, 3)
            return x @ x.transpose(2, 3)

    conv, pool, product = 4 * 36, 4 * 9, 4 * 9
    counts = complexity(Functional(), 6)
    assert counts == {"flops": conv * 27 + product * 3, "params": 108, "acts": conv + pool + product}
    assert complexity(Functional(), 6, "ptflops")["flops"] == 0


def test_every_parameter_is_in_one_row():
    model = network("vit_b_32")
    assert sum(row["params"] for row in layer_table(model, 224)) == complexity(model, 224)["params"]
