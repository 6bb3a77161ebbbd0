"""Foreign files whose tensors fit several networks give the logits of their own one, or an error."""

import argparse
import json
from functools import partial

import pytest
import timm
import torch
import torchvision
from torch import nn

from pycls.core.checkpoint import save_safetensors
from pycls.core.weights import load_weights
from pycls.core.weights.origin import network_names
from pycls.core.weights.variants import torchvision_effnet
from pycls.engine.weights_file import fill_network
from pycls.models import build_model
from pycls.models.external.same_network import known_name
from tests.core.weights.test_weights import BASIC, EFFNET
from tests.helpers.documented.supplies import empty_network
from tests.helpers.model_records import cfg_of

EN_B0 = {"MODEL.TYPE": "effnet", "MODEL.ACTIVATION_FUN": "silu", "MODEL.NUM_CLASSES": 10} | EFFNET
TENSORFLOW = {"BN.EPS": 1e-3, "EN.TF_PADDING": True}
R10 = BASIC | {"ANYNET.STEM_W": 64, "ANYNET.DEPTHS": [1] * 4, "ANYNET.WIDTHS": [8, 16, 24, 32]}
R10 |= {"MODEL.NUM_CLASSES": 10}


def random_net(make, name):
    """Return a library's network of random weights and statistics, whose small variances make an epsilon matter."""
    with torch.device("meta"):
        net = make(name, num_classes=10)
    net, generator = net.to_empty(device="cpu").eval(), torch.Generator().manual_seed(0)
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            value.normal_(0, max(value[0].numel(), 1) ** -0.5, generator=generator)
        else:
            value.zero_()
        if key.endswith("running_var"):
            value.uniform_(1e-3, 0.1, generator=generator)
        elif value.dim() == 1 and key.endswith(("bn.weight", "bn1.weight", "bn2.weight", "bn3.weight", ".1.weight")):
            value.uniform_(0.1, 0.3, generator=generator)
    return net


def difference(ours, theirs):
    """Return the largest difference of the logits, as a part of their spread."""
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = theirs(image)
        return ((ours.eval()(image) - wanted).abs().max() / wanted.std()).item()


@pytest.fixture(scope="module")
def nets():
    return {
        "efficientnet_b0": random_net(timm.create_model, "efficientnet_b0"),
        "tf_efficientnet_b0": random_net(timm.create_model, "tf_efficientnet_b0"),
        "resnet10": random_net(small_resnet, "resnet10"),
        "resnetblur10": random_net(small_resnet, "resnetblur10"),
    }


def small_resnet(name, num_classes):
    """Build timm's ResNet of few layers, blurred or not."""
    options = {"aa_layer": timm.layers.BlurPool2d} if "blur" in name else {}
    block = timm.models.resnet.BasicBlock
    return timm.models.resnet.ResNet(block, [1] * 4, num_classes, channels=(8, 16, 24, 32), **options)


def load(keys, net, path):
    torch.save(net.state_dict(), path)
    ours = build_model(cfg_of(keys))
    return ours, load_weights(ours, path)


@pytest.mark.parametrize(("name", "keys"), [("efficientnet_b0", {}), ("tf_efficientnet_b0", TENSORFLOW)])
def test_timms_efficientnets_are_told_by_their_names(nets, tmp_path, name, keys):
    ours, report = load(EN_B0 | keys, nets[name], tmp_path / f"{name}_ra-3dd342df.pth")
    assert difference(ours, nets[name]) < 1e-4 and "timm EfficientNet" in str(report)
    other = {} if keys else TENSORFLOW
    needed = "BN.EPS 1e-05 and EN.TF_PADDING False" if other else "BN.EPS 0.001 and EN.TF_PADDING True"
    with pytest.raises(ValueError, match=f"needs {needed}, the network has"):
        load(EN_B0 | other, nets[name], tmp_path / f"{name}.pth")


def test_what_is_not_told_is_asked(nets, tmp_path):
    for name in ("efficientnet_b0", "tf_efficientnet_b0"):
        with pytest.raises(ValueError, match=r"a\.pth: timm's efficientnet_\* and tf_efficientnet_\* .*BN\.EPS 0\.001"):
            load(EN_B0, nets[name], tmp_path / "a.pth")
    ours, report = load(EN_B0 | TENSORFLOW, nets["tf_efficientnet_b0"], tmp_path / "a.pth")
    assert difference(ours, nets["tf_efficientnet_b0"]) < 1e-4 and "if it is a tf_" in report.doubt


def test_an_error_of_padding_or_epsilon_would_be_seen_here(nets, tmp_path):
    """The comparison itself: with the other network's arithmetic the logits are far off."""
    ours, _ = load(EN_B0, nets["tf_efficientnet_b0"], tmp_path / "efficientnet_b0.pth")
    assert difference(ours, nets["tf_efficientnet_b0"]) > 0.01


def small_b5(num_classes):
    """Build torchvision's EfficientNet of few layers, with the head and the batch norms of its B5."""
    widths, strides, kernels = [16, 24, 24, 32, 32, 40, 40], EFFNET["EN.STRIDES"], EFFNET["EN.KERNELS"]
    sizes = zip([1] + [6] * 6, kernels, strides, [32, *widths[:-1]], widths, strict=True)
    blocks = [torchvision.models.efficientnet.MBConvConfig(*size, 1, 1.0, 1.0) for size in sizes]
    norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
    return torchvision.models.EfficientNet(blocks, 0.4, num_classes=num_classes, norm_layer=norm, last_channel=2048)


def test_torchvisions_b5_has_another_epsilon(tmp_path):
    theirs = random_net(lambda name, num_classes: small_b5(num_classes), "")
    keys = EN_B0 | {"EN.HEAD_W": 2048, "EN.DEPTHS": [1] * 7, "EN.WIDTHS": [16, 24, 24, 32, 32, 40, 40]}
    with pytest.raises(ValueError, match=r"needs BN\.EPS 0\.001, the network has 1e-05"):
        load(keys, theirs, tmp_path / "a.pth")
    ours, report = load(keys | {"BN.EPS": 1e-3}, theirs, tmp_path / "a.pth")
    assert difference(ours, theirs) < 1e-4 and not report.missing


@pytest.mark.parametrize("name", ["efficientnet_b4", "efficientnet_b5"])
def test_the_width_of_the_head_tells_torchvisions_epsilon(name):
    with torch.device("meta"):
        net = torchvision.models.get_model(name)
    (eps,) = {module.eps for module in net.modules() if isinstance(module, nn.BatchNorm2d)}
    head = {"head.conv.weight": net.features[8][0].weight}
    assert torchvision_effnet(head, ()).arithmetic.bn_eps == eps


def test_blurred_resnets_are_refused(nets, tmp_path):
    ours, _ = load(R10, nets["resnet10"], tmp_path / "resnet10.pth")
    assert difference(ours, nets["resnet10"]) < 1e-4
    with pytest.raises(ValueError, match=r"is of timm's resnetblur10.*MODEL\.NAME resnetblur10"):
        load(R10, nets["resnetblur10"], tmp_path / "resnetblur10-84f4748f.pth")
    _, report = load(R10, nets["resnet10"], tmp_path / "a.pth")
    assert "taken for a plain ResNet" in report.doubt
    ours = build_model(cfg_of(R10 | {"BN.EPS": 1e-3}))
    report = load_weights(ours, tmp_path / "resnet10.pth", partial=True)
    assert report.left_out() == [f"Fits, but means another network: {report.other_network}"]
    assert "BN.EPS 1e-05" in report.other_network and torch.equal(ours.stem.conv.weight, nets["resnet10"].conv1.weight)
    for keys, said in OTHER_RESNETS.items():
        with pytest.raises(ValueError, match=said):
            load(R10 | dict([keys]), nets["resnet10"], tmp_path / "resnet10.pth")


def test_a_resnet_with_a_stem_for_small_images_is_taken(tmp_path):
    theirs = random_net(small_resnet, "resnet10")
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    ours, _ = load(R10 | {"ANYNET.STEM_TYPE": "res_stem_cifar"}, theirs, tmp_path / "resnet10.pth")
    assert difference(ours, theirs) < 1e-4


OTHER_RESNETS = {
    ("MODEL.ACTIVATION_FUN", "silu"): "needs MODEL.ACTIVATION_FUN relu, the network has silu",
    ("MODEL.BLURPOOL", True): "needs MODEL.BLURPOOL False, the network has True",
    ("ANYNET.STRIDES", (1, 2, 2, 1)): "needs convolutions of strides 2, 1, 2, 2, 2 in .*has 2, 1, 2, 2, 1",
    ("BN.EPS", 1e-3): "needs BN.EPS 1e-05",
}


@pytest.mark.parametrize(
    ("state", "file", "first"),
    [
        ({"arch": "tf_efficientnet_b0"}, "a.pth", "tf_efficientnet_b0"),
        ({"args": argparse.Namespace(model="tf_efficientnet_b0")}, "efficientnet_b0.pth", "tf_efficientnet_b0"),
        ({}, "tf-EfficientNet-B0.pth", "tf_efficientnet_b0"),
        ({}, "huggingface.co/timm/tf_efficientnet_b0.ns_jft_in1k/resolve/main/model.safetensors", "model"),
        ({}, "models--timm--tf_efficientnet_b0.ns_jft_in1k/snapshots/0123abc/model.safetensors", "model"),
        ({}, "models--me--tf_efficientnet_b0/snapshots/0123abc/model.safetensors", "model"),
    ],
)
def test_where_a_name_comes_from(tmp_path, state, file, first):
    names = network_names(state, tmp_path / file)
    assert names[0] == first
    assert known_name(names, {"tf_efficientnet_b0", "efficientnet_b0"}) == "tf_efficientnet_b0"


def test_the_folders_of_experiments_name_nothing(tmp_path):
    assert network_names({}, tmp_path / "efficientnet_b0/resnet50-old/last.pth") == ("last",)


def test_hugging_faces_folder_and_metadata_name_the_network(nets, tmp_path):
    net = nets["tf_efficientnet_b0"]
    save_safetensors(net.state_dict(), {}, tmp_path / "model.safetensors")
    ours = build_model(cfg_of(EN_B0))
    with pytest.raises(ValueError, match="have the same tensors"):
        load_weights(ours, tmp_path / "model.safetensors")
    for text in ("[]", "{", json.dumps({"architecture": 3})):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="have the same tensors"):
            load_weights(ours, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "tf_efficientnet_b0"}))
    with pytest.raises(ValueError, match=r"needs BN\.EPS 0\.001 and EN\.TF_PADDING True"):
        load_weights(ours, tmp_path / "model.safetensors")
    save_safetensors(net.state_dict(), {"architecture": "tf_efficientnet_b0"}, tmp_path / "b.safetensors")
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"needs BN\.EPS 0\.001 and EN\.TF_PADDING True"):
        load_weights(ours, tmp_path / "b.safetensors")


def test_the_epsilon_of_timms_training_counts(tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    for args, said in ({"bn_eps": 0.01, "bn_tf": False}, "epsilon 0.01"), ({"bn_eps": None, "bn_tf": True}, "0.001"):
        state = {"state_dict": net.state_dict(), "args": argparse.Namespace(model="x", **args)}
        torch.save(state, tmp_path / "last.pth.tar")
        with pytest.raises(ValueError, match=f"was trained with batch norms of .*{said}"):
            load_weights(net, tmp_path / "last.pth.tar")
    state["args"] = argparse.Namespace(model="x", bn_eps=None, bn_tf=False)
    torch.save(state, tmp_path / "last.pth.tar")
    load_weights(net, tmp_path / "last.pth.tar")


# ---- networks of a library under its own names


def library_cfg(name, library="timm"):
    keys = {"MODEL.TYPE": library, "MODEL.NAME": name, "MODEL.NUM_CLASSES": 10, "TRAIN.IM_SIZE": 64}
    return cfg_of(keys)


@pytest.mark.parametrize("file", ["tf_efficientnet_b0_ns-c0e6a31c.pth", "a.pth", "efficientnet_b0.pth"])
def test_a_librarys_network_is_not_filled_with_another_ones_weights(nets, tmp_path, file):
    cfg = library_cfg("efficientnet_b0")
    saved, model = nets["tf_efficientnet_b0"].state_dict(), empty_network(cfg)
    if file.startswith("tf_"):
        with pytest.raises(ValueError, match=r"is of timm's tf_efficientnet_b0.*: set MODEL\.NAME tf_efficientnet_b0"):
            fill_network(model, cfg, saved, tmp_path / file)
    else:
        fill_network(model, cfg, saved, tmp_path / file)


def test_other_names_of_the_same_layers_are_let_through(tmp_path):
    cfg = library_cfg("resnet18")
    model = empty_network(cfg)
    saved = model.state_dict()
    for file in ("gluon_resnet18_v1b-0757602b.pth", "resnet18-5c106cde.pth"):
        fill_network(model, cfg, saved, tmp_path / file)
    cfg = library_cfg("resnet18", "torchvision")
    fill_network(empty_network(cfg), cfg, saved, tmp_path / "resnet18.a1_in1k.safetensors")
    cfg = library_cfg("resnetblur18")
    with pytest.raises(ValueError, match="is of timm's resnet18"):
        fill_network(empty_network(cfg), cfg, saved, tmp_path / "resnet18-5c106cde.pth")
