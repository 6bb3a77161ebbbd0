"""PyramidNets, the CutMix line's ResNets and DenseNets equal the published ones (records/models_pyramidnet.json)."""

import hashlib
import re

import pytest
import torch
import torchvision
from torch.nn import functional

from pycls.core.checkpoint import load_weights
from pycls.models import build_model
from pycls.models.cutmix_resnet import IMAGENET_DEPTHS
from pycls.models.pyramidnet import PyramidBlock, add_to_first, cifar_depths, pyramid_widths
from tests.helpers.model_records import cfg_of, load_record
from tests.helpers.parity_fill import fill_, make_input

RECORDS = load_record("models_pyramidnet.json")
WITH_LOGITS = [name for name, record in RECORDS["networks"].items() if "logits_first16" in record]
NUM_CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet": 1000}


def keys_of(name):
    """Return the config keys of a recorded network: family, depth, widening, block, data set in any order."""
    depth = re.match(r"[a-z]+(\d+)", name)[1]
    dataset = re.search(r"cifar100?|imagenet", name)[0]
    keys = {"MODEL.DEPTH": depth, "MODEL.NUM_CLASSES": NUM_CLASSES[dataset], "TRAIN.DATASET": dataset}
    basic = "basic" in name
    if name.startswith("resnet"):
        block = "basic_transform" if basic else "bottleneck_transform"
        return keys | {"MODEL.TYPE": "cutmix_resnet", "RESNET.TRANS_FUN": block}
    alpha = re.search(r"_a(\d+)", name)[1]
    return keys | {"MODEL.TYPE": "pyramidnet", "PYRAMIDNET.ALPHA": alpha, "PYRAMIDNET.BOTTLENECK": not basic}


def build(name):
    """Build a recorded network without data."""
    with torch.device("meta"):
        return build_model(cfg_of(keys_of(name)))


@pytest.mark.parametrize("name", RECORDS["networks"])
def test_names_and_shapes(name):
    record = RECORDS["networks"][name]
    lines = [f"{key} {tuple(value.shape)}" for key, value in build(name).state_dict().items()]
    assert len(lines) == record["num_keys"]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == record["keys_sha256"]


@pytest.mark.parametrize("name", RECORDS["counts"])
def test_counts(name):
    model = build(name)
    assert [sum(p.numel() for p in model.parameters()), len(model.state_dict())] == RECORDS["counts"][name]


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_logits(name):
    record = RECORDS["networks"][name]
    model = fill_(build_model(cfg_of(keys_of(name))).double()).eval()
    with torch.no_grad():
        logits = model(make_input(record["input_shape"]).double()).flatten()[:16]
    wanted = torch.tensor(record["logits_first16"], dtype=torch.float64)
    assert (logits - wanted).abs().max() <= 1e-10 * wanted.abs().max()


@pytest.mark.parametrize("name", RECORDS["widths"])
def test_widths(name):
    depth, alpha = re.search(r"depth(\d+)_alpha([\d.]+)", name).groups()
    if "imagenet" in name:
        start, depths = 64, IMAGENET_DEPTHS[int(depth)]
    else:
        start, depths = 16, cifar_depths(int(depth), "bottleneck" in name, "pyramidnet")
    assert pyramid_widths(start, float(alpha), depths) == RECORDS["widths"][name]


@pytest.mark.parametrize("stride", [1, 2])
def test_new_channels_get_nothing_added(stride):
    """Shortcut: a 2x2 average where the block strides (a lone last row or column counts), then zero channels."""
    model = build_model(cfg_of(keys_of("pyramidnet20_a24_basic_cifar10")))
    block = next(
        m for m in model.modules() if isinstance(m, PyramidBlock) and m.conv1.stride == (stride, stride)
    ).eval()
    x = torch.randn(2, block.conv1.in_channels, 7, 7)
    shortcut = functional.avg_pool2d(x, 2, ceil_mode=True) if stride == 2 else x
    branch = block.branch(x)
    wanted = branch + functional.pad(shortcut, (0, 0, 0, 0, 0, branch.shape[1] - shortcut.shape[1]))
    torch.testing.assert_close(block(x), wanted)


def test_adding_makes_no_copy_and_keeps_gradients():
    x, y = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randn(2, 5, 4, 4, requires_grad=True)
    branch = y * 2
    total = add_to_first(x, branch)
    assert total.data_ptr() == branch.data_ptr()
    g = torch.randn_like(total)
    grad_x, grad_y = torch.autograd.grad(total, (x, y), g)
    assert torch.equal(grad_x, g[:, :3]) and torch.equal(grad_y, 2 * g)


def test_initialization():
    state = build_model(cfg_of(keys_of("pyramidnet29_a24_bottleneck_cifar100"))).state_dict()
    weight = state["layer3.2.conv2.weight"]
    assert weight.std() == pytest.approx((2 / (9 * weight.shape[0])) ** 0.5, rel=0.03)
    assert all((value == 1).all() for key, value in state.items() if re.search(r"bn\w*\.weight", key))
    assert state["fc.weight"].abs().max() <= state["fc.weight"].shape[1] ** -0.5, "PyTorch's own for the classifier"


@pytest.mark.parametrize("name", ["pyramidnet20_a24_basic_cifar10", "resnet20_cifar10_basic"])
@pytest.mark.parametrize("extra", [{}, {"uncertainty.weight": torch.zeros(4, 40)}], ids=["CutMix", "IDML"])
def test_the_authors_files_load(tmp_path, name, extra):
    """Their drivers write what DataParallel holds; the head that IDML adds is left over."""
    source = build_model(cfg_of(keys_of(name)))
    weights = {f"module.{key}": value for key, value in (source.state_dict() | extra).items()}
    path = tmp_path / "model_best.pth.tar"
    state = {"epoch": 299, "arch": "pyramidnet", "state_dict": weights, "best_err1": 3.85, "best_err5": 0.2}
    torch.save(state | {"optimizer": {"state": {}, "param_groups": []}}, path)
    model = build_model(cfg_of(keys_of(name)))
    report = load_weights(model, path)
    assert (report.missing, report.unexpected, report.reinitialized) == ([], list(extra), [])
    assert torch.equal(model.fc.weight, source.fc.weight)


@pytest.mark.parametrize(
    "name",
    ["densenet121", "densenet161", "densenet169", "densenet201", "resnet18", "resnet34", "resnet50", "resnet101"],
)
def test_imagenet_networks_are_torchvisions(name):
    family, depth = re.match(r"([a-z]+)(\d+)", name).groups()
    keys = {"MODEL.TYPE": family.replace("resnet", "cutmix_resnet"), "MODEL.DEPTH": depth, "MODEL.NUM_CLASSES": 1000}
    with torch.device("meta"):
        ours, theirs = build_model(cfg_of(keys)), getattr(torchvision.models, name)()
    shapes = [[(key, value.shape) for key, value in m.state_dict().items()] for m in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["densenet121", "resnet18", "resnet50"])
def test_outputs_are_torchvisions(name):
    family, depth = re.match(r"([a-z]+)(\d+)", name).groups()
    keys = {"MODEL.TYPE": family.replace("resnet", "cutmix_resnet"), "MODEL.DEPTH": depth, "MODEL.NUM_CLASSES": 7}
    ours = fill_(build_model(cfg_of(keys)).double()).eval()
    theirs = getattr(torchvision.models, name)(num_classes=7).double().eval()
    theirs.load_state_dict(ours.state_dict())
    x = make_input((2, 3, 64, 64)).double()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-11, atol=1e-11)
