"""LIP's networks are the authors' (records/models_lip.json): names, counts, logits, gradients, start, checkpoints."""

import re
import zlib

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from pycls.core.checkpoint import load_weights
from pycls.models import build_model
from pycls.models.complexity import complexity
from pycls.models.lip import Gate, lip2d
from tests.helpers.model_records import cfg_of, load_record
from tests.helpers.parity_fill import fill_, make_input

RECORDS = load_record("models_lip.json")
R50 = {"MODEL.TYPE": "lip_resnet", "MODEL.DEPTH": 50}
D121 = {"MODEL.TYPE": "densenet", "MODEL.DEPTH": 121, "DENSENET.POOL": "lip"}
NETWORKS = {"lip_resnet50": R50, "lip_resnet101": R50 | {"MODEL.DEPTH": 101}, "lip_densenet121": D121}
SMALL = {"MODEL.NUM_CLASSES": 7, "TRAIN.IM_SIZE": 64}
# Multiply-adds of convolutions and linear layers in units of 0.1 M, as counted for the published networks.
MACS = {"lip_resnet50": 5.2998, "lip_resnet101": 9.0121, "lip_densenet121": 4.0833}


def build(keys):
    """Build the network of some keys, for 1000 classes unless they say otherwise."""
    return build_model(cfg_of({"MODEL.NUM_CLASSES": 1000} | keys))


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_counts(name):
    record = RECORDS[name]
    with torch.device("meta"):
        model = build(NETWORKS[name])
    lines = [f"{key} {tuple(value.shape)}" for key, value in model.state_dict().items()]
    assert len(lines) == record["num_keys"]
    assert zlib.crc32("\n".join(lines).encode()) == record["keys_crc32"]
    assert len(list(model.parameters())) == record["num_param_tensors"]
    counts = complexity(model, 224)
    assert counts["params"] == record["num_params"]
    assert round(counts["flops"] / 1e9, 4) == pytest.approx(MACS[name], abs=1e-3)


def test_resnet50_logits_and_gradients():
    record = RECORDS["lip_resnet50"]
    model, x = fill_(build(R50).double()).eval(), make_input((2, 3, 224, 224)).double()
    with torch.no_grad():
        logits = model(x)
    tolerance = 1e-10 * record["eval"]["std"]
    wanted = torch.tensor(record["eval"]["logits_first16"], dtype=torch.float64)
    torch.testing.assert_close(logits[:, :16], wanted, rtol=0, atol=tolerance)
    assert logits.argmax(1).tolist() == record["eval"]["argmax"]
    assert logits.mean().item() == pytest.approx(record["eval"]["mean"], abs=tolerance)
    loss = functional.cross_entropy(fill_(model).train()(x), torch.tensor([0, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(record["train"]["loss"], abs=1e-9)
    norms = {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()}
    for name, norm in record["train"]["gradient_norms"].items():
        assert norms[name] == pytest.approx(norm, rel=1e-8), name
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    assert total == pytest.approx(record["train"]["norm_of_all"], rel=1e-8)


class Softmax2d(nn.Module):
    """LIP by a softmax over unfolded windows, its logits times 12 by the layers of `logit`."""

    def __init__(self, logit, kernel, stride, padding):
        super().__init__()
        self.logit, self.window = nn.ModuleDict(logit), (kernel, stride, padding)

    def forward(self, x):
        z = x
        for name, layer in self.logit.items():
            z = layer(z)
            z = z.relu() if name in ("bn1", "bn2") and name != list(self.logit)[-1] else z
        share = self.windows(12 * z.sigmoid(), -torch.inf).softmax(2)
        return (share * self.windows(x, 0.0)).sum(2)

    def windows(self, x, fill):
        kernel, stride, padding = self.window
        x = functional.pad(x, (padding,) * 4, value=fill).unfold(2, kernel, stride).unfold(3, kernel, stride)
        return x.flatten(4).movedim(4, 2)


def conv_norm(number, w_in, w_out, kernel):
    conv = nn.Conv2d(w_in, w_out, kernel, padding=kernel // 2, bias=False)
    return {f"conv{number}": conv, f"bn{number}": nn.InstanceNorm2d(w_out, affine=True)}


def test_densenet121_is_torchvisions_with_four_other_poolings():
    wanted = torchvision.models.densenet121(num_classes=7)
    wanted.features.pool0 = Softmax2d(conv_norm(1, 64, 64, 3), 3, 2, 1)
    for number, width in ((1, 128), (2, 256), (3, 512)):
        layers = conv_norm(1, width, 128, 1) | conv_norm(2, 128, 128, 3) | conv_norm(3, 128, width, 1)
        wanted.features.get_submodule(f"transition{number}").pool = Softmax2d(layers, 2, 2, 0)
    model = fill_(build(D121 | SMALL).double()).eval()
    wanted.double().eval().load_state_dict(model.state_dict())
    x = make_input((2, 3, 64, 64)).double()
    torch.testing.assert_close(model(x), wanted(x), rtol=1e-11, atol=1e-11)


def test_resnet_starts_as_average_pooling():
    model = build(R50 | SMALL)
    state = model.state_dict()
    zero = [key for key in state if "postprocessing.conv" in key or key.endswith("bn3.weight")]
    assert len(zero) == 6 + 16
    assert not any(state[key].any() for key in [*zero, "maxpool.logit.conv.weight"])
    assert state["layer2.0.bottleneck_shared.logit.conv1.weight"].std() == pytest.approx((2 / 128) ** 0.5, rel=0.03)
    assert state["fc.weight"].std() == pytest.approx(0.01, rel=0.03) and not state["fc.bias"].any()
    x = torch.randn(2, 64, 9, 9)
    mean = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    torch.testing.assert_close(model.maxpool(x), mean)


def test_densenet_starts_at_random():
    state = build(D121 | SMALL).state_dict()
    assert state["features.pool0.logit.conv1.weight"].std() == pytest.approx((2 / 576) ** 0.5, rel=0.03)
    assert state["features.transition3.pool.logit.conv3.weight"].std() == pytest.approx(0.125, rel=0.03)
    assert not state["classifier.bias"].any()


def published_file(weights, epoch):
    """Return what the authors publish (the bare tensors), or what their driver writes after an epoch."""
    if epoch is None:
        return weights
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    best = torch.tensor(78.2)
    return {"epoch": epoch, "arch": "resnet50", "state_dict": prefixed, "best_acc1": best, "optimizer": {"state": {}}}


@pytest.mark.parametrize("epoch", [None, 90], ids=["published", "by training"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as of 2019"])
@pytest.mark.parametrize("keys", [R50, D121], ids=["resnet50", "densenet121"])
def test_the_authors_files_load(tmp_path, epoch, zipped, keys):
    torch.manual_seed(0)
    source = build(keys | SMALL)
    path = tmp_path / "checkpoint.pth.tar"
    torch.save(published_file(source.state_dict(), epoch), path, _use_new_zipfile_serialization=zipped)
    torch.manual_seed(1)
    model = build(keys | SMALL)
    report = load_weights(model, path)
    assert (report.missing, report.unexpected, report.reinitialized) == ([], [], [])
    for (name, wanted), value in zip(source.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(value, wanted), name


# ---- LIP in our own networks

OURS = {
    "MODEL.TYPE": "resnet",
    "MODEL.DEPTH": 50,
    "RESNET.TRANS_FUN": "bottleneck_transform",
    "RESNET.STRIDE_1X1": False,
    "RESNET.POOL": "lip",
    "TRAIN.DATASET": "imagenet",
}
NAMES = [  # ours -> the authors'
    (r"^stem\.(conv|bn)\.", r"\g<1>1."),
    (r"^stem\.pool\.", "maxpool."),
    (r"^head\.", ""),
    (r"^s(\d)\.b(\d+)\.", lambda m: f"layer{m[1]}.{int(m[2]) - 1}."),
    (r"\.trunk\.", ".bottleneck_shared."),
    (r"\.pool_proj\.", ".downsample.lip."),
    (r"\.pool_f\.", ".conv2.0."),
    (r"\.proj\.", ".downsample.conv."),
    (r"^(layer\d\.0)\.bn\.", r"\1.downsample.bn."),
    (r"\.f\.([abc])(_bn)?\.", lambda m: f".{'bn' if m[2] else 'conv'}{'abc'.index(m[1]) + 1}."),
    (r"^(layer[234]\.0\.conv2)\.weight", r"\1.1.weight"),
]


def published_name(name):
    """Return the authors' name of one of our tensors."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def test_our_resnet_with_lip_is_lip_resnet():
    wanted = fill_(build(R50 | SMALL).double()).eval()
    weights = wanted.state_dict()
    model = build(OURS | SMALL).double().eval()
    model.load_state_dict({name: weights.pop(published_name(name)) for name in model.state_dict()})
    assert weights == {}
    x = make_input((2, 3, 64, 64)).double()
    torch.testing.assert_close(model(x), wanted(x), rtol=1e-12, atol=1e-12)


def test_our_networks_start_as_average_pooling():
    torch.manual_seed(0)
    lip = build(OURS | SMALL).double().eval()
    average = build(OURS | SMALL | {"RESNET.POOL": "avg"}).double().eval()
    average.load_state_dict(lip.state_dict(), strict=False)
    x = make_input((2, 3, 64, 64)).double()
    torch.testing.assert_close(lip(x), average(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pool", ["lip", "softpool", "avg"])
@pytest.mark.parametrize("stride_1x1", [True, False])
def test_no_convolution_strides_after_the_stem(pool, stride_1x1):
    model = build(OURS | SMALL | {"RESNET.POOL": pool, "RESNET.STRIDE_1X1": stride_1x1})
    strided = [name for name, m in model.named_modules() if getattr(m, "stride", 1) == (2, 2)]
    assert strided == ["stem.conv"]
    assert model.s4(model.s3(model.s2(model.s1(model.stem(torch.rand(2, 3, 64, 64)))))).shape == (2, 2048, 2, 2)


@pytest.mark.parametrize("pool", ["lip", "softpool", "avg"])
def test_anynet_and_cifar_pool_too(pool):
    anynet = {"ANYNET.DEPTHS": [1, 2], "ANYNET.WIDTHS": [16, 32], "ANYNET.STRIDES": [2, 2], "ANYNET.GROUP_WS": [8, 8]}
    x = torch.rand(2, 3, 32, 32)
    for keys in (
        {"MODEL.TYPE": "anynet", "ANYNET.SE_ON": True, "ANYNET.POOL": pool} | anynet,
        {"MODEL.TYPE": "anynet", "ANYNET.BLOCK_TYPE": "res_basic_block", "ANYNET.POOL": pool} | anynet,
        {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 14, "TRAIN.DATASET": "cifar10", "RESNET.POOL": pool},
    ):
        model = build(keys | SMALL | {"TRAIN.IM_SIZE": 32})
        model(x).sum().backward()
        assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
        assert [m for m in model.modules() if isinstance(m, Gate)] if pool == "lip" else True


def test_softpool_weighs_by_the_features():
    model = build(OURS | SMALL | {"RESNET.POOL": "softpool"})
    x = torch.randn(2, 64, 8, 8)
    torch.testing.assert_close(model.stem.pool(x), lip2d(x, x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_little(dtype):
    model, x = fill_(build(R50 | SMALL)).eval(), make_input((2, 3, 64, 64))
    with torch.no_grad(), torch.autocast("cpu", dtype):
        y = model(x).float()
    with torch.no_grad():
        wanted = model(x)
    assert (y - wanted).abs().max() < 0.1 * wanted.std()
