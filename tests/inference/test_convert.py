"""Weights written in other layouts: others read them, and they come back bit for bit."""

import contextlib
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from torch import nn

from pycls.core.checkpoint import load_checkpoint, load_weights, save_checkpoint
from pycls.core.config import dump_cfg, load_cfg
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.key_tables import NAMINGS
from pycls.engine.setup import pixel_contract
from pycls.inference import convert
from pycls.inference.convert import convert_weights
from pycls.models import build_model
from tests.core.weights.test_weights import TWINS, torchvision_net
from tests.helpers.model_records import cfg_of

SMALL = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 8, "TRAIN.DATASET": "cifar10", "TRAIN.IM_SIZE": 32}

RESNET_50 = {"MODEL.TYPE": "resnet", "MODEL.DEPTH": 50, "RESNET.TRANS_FUN": "bottleneck_transform"}
RESNET_50 |= {"RESNET.STRIDE_1X1": False}


def our_file(path, keys):
    """Write a checkpoint of a random network and return the network."""
    cfg = cfg_of({"MODEL.NUM_CLASSES": 1000, "TRAIN.DATASET": "imagenet"} | keys)
    torch.manual_seed(1)
    model = build_model(cfg)
    classes = [f"class {number}" for number in range(1000)]
    state = {"model_state": model.state_dict(), "ema_state": None, "cfg": dump_cfg(cfg), "epoch": 4}
    save_checkpoint(state | {"classes": classes, "pixels": pixel_contract(cfg), "test_err": 30.0}, path)
    return model


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.parametrize("name", ["resnet18", "regnet_y_400mf", "efficientnet_b0"])
@pytest.mark.parametrize("to", ["torchvision", "pycls", "safetensors", "ours"])
def test_there_and_back_every_bit_is_kept(tmp_path, name, to):
    file = "b.safetensors" if to == "safetensors" else "b.pth"
    model = our_file(tmp_path / "a.pyth", TWINS[name])
    convert_weights(str(tmp_path / "a.pyth"), tmp_path / file, to)
    fresh = build_model(cfg_of({"MODEL.NUM_CLASSES": 1000} | TWINS[name]))
    report = load_weights(fresh, tmp_path / file)
    assert not report.missing and not report.unexpected
    assert same(fresh.state_dict(), model.state_dict())


@pytest.mark.parametrize("name", ["resnet50", "regnet_x_800mf"])
def test_torchvision_itself_reads_its_layout(tmp_path, name):
    model = our_file(tmp_path / "a.pyth", TWINS[name]).eval()
    convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pth", "torchvision")
    theirs = torchvision.models.get_model(name).eval()
    theirs.load_state_dict(torch.load(tmp_path / "b.pth", weights_only=True))  # strict
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs(image), model(image), rtol=1e-5, atol=1e-5)


def test_the_pycls_layout_is_what_pycls_writes(tmp_path):
    model = our_file(tmp_path / "a.pyth", TWINS["resnet18"])
    said = convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pyth", "pycls")
    saved = load_checkpoint(tmp_path / "b.pyth")
    assert saved["epoch"] == 4 and saved["test_err"] == 30.0 and "RGB to BGR" in said
    assert list(saved["model_state"]) == list(model.state_dict()), "names and order"
    theirs, ours = saved["model_state"]["stem.conv.weight"], model.state_dict()["stem.conv.weight"]
    assert torch.equal(theirs[:, [2, 1, 0]], ours)
    (tmp_path / "pycls.yaml").write_text(saved["cfg"])
    assert load_cfg(str(tmp_path / "pycls.yaml")).ANYNET.WIDTHS == [64, 128, 256, 512]
    assert "[ours]" not in saved["cfg"] and "CHANNEL_ORDER" not in saved["cfg"], "keys of pycls only"


def test_small_pictures_of_pycls_are_rgb(tmp_path):
    model = our_file(tmp_path / "a.pyth", SMALL)
    convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pyth", "pycls")
    assert same(load_checkpoint(tmp_path / "b.pyth")["model_state"], model.state_dict())


def test_torchvision_to_ours_and_to_pycls(tmp_path):
    theirs = torchvision_net("resnet18")
    torch.save(theirs.state_dict(), tmp_path / "a.pth")
    words = [str(word) for pair in TWINS["resnet18"].items() for word in pair]
    words += ["MODEL.NUM_CLASSES", "1000", "TRAIN.DATASET", "imagenet"]
    with pytest.raises(ValueError, match=r"a\.pth: holds no config"):
        convert_weights(str(tmp_path / "a.pth"), tmp_path / "b.pyth", "ours")
    (tmp_path / "empty.yaml").write_text("")
    convert_weights(str(tmp_path / "a.pth"), tmp_path / "b.pyth", "ours", str(tmp_path / "empty.yaml"), words)
    saved = load_checkpoint(tmp_path / "b.pyth")
    assert "classes" not in saved, "no names are made up"
    assert saved["pixels"]["mean"] == [0.485, 0.456, 0.406] and "position" not in saved
    assert torch.equal(saved["model_state"]["s4.b2.f.b.weight"], theirs.layer4[1].conv2.weight)
    convert_weights(str(tmp_path / "a.pth"), tmp_path / "c.pyth", "pycls")
    stem = load_checkpoint(tmp_path / "c.pyth")["model_state"]["stem.conv.weight"]
    assert torch.equal(stem.flip(1), theirs.conv1.weight)


def test_the_better_of_model_and_ema_is_written(tmp_path):
    model = our_file(tmp_path / "a.pyth", TWINS["resnet18"])
    state = load_checkpoint(tmp_path / "a.pyth")
    ema = {key: value + 1 for key, value in model.state_dict().items()}
    save_checkpoint(state | {"ema_state": ema, "ema_err": 29.0}, tmp_path / "a.pyth")
    convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pth", "torchvision")
    assert torch.equal(load_checkpoint(tmp_path / "b.pth")["conv1.weight"], ema["stem.conv.weight"])


def test_what_has_no_place_in_a_layout_is_refused(tmp_path):
    our_file(tmp_path / "a.pyth", SMALL)
    with pytest.raises(ValueError, match="torchvision has no such network"):
        convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pth", "torchvision")
    others = (("MODEL.ACTIVATION_FUN", "silu"), ("MODEL.BLURPOOL", True))
    for key, value in (("RESNET.STRIDE_1X1", True), ("BN.EPS", 1e-3), *others):
        our_file(tmp_path / "g.pyth", TWINS["resnet50"] | {key: value})
        with pytest.raises(ValueError, match=f"torchvision has no such network: {key} is {value}"):
            convert_weights(str(tmp_path / "g.pyth"), tmp_path / "b.pth", "torchvision")
    with pytest.raises(ValueError, match="is the file to read from"):
        convert_weights(str(tmp_path / "a.pyth"), tmp_path / "a.pyth", "pycls")
    with pytest.raises(ValueError, match=r"call it b\.safetensors"):
        convert_weights(str(tmp_path / "a.pyth"), tmp_path / "b.pth", "safetensors")
    our_file(tmp_path / "c.pyth", TWINS["resnet18"] | {"DATA_LOADER.MEAN": [0.5, 0.5, 0.5]})
    with pytest.raises(ValueError, match=r"pycls has nothing like DATA_LOADER\.MEAN"):
        convert_weights(str(tmp_path / "c.pyth"), tmp_path / "d.pyth", "pycls")
    for key, value in (("MODEL.BLURPOOL", True), ("MODEL.HEAD", "introspective"), ("MODEL.NAME", "x")):
        our_file(tmp_path / "c.pyth", TWINS["resnet18"] | {key: value})
        with pytest.raises(ValueError, match=rf"pycls has nothing like {key} {value}, so its logits would differ"):
            convert_weights(str(tmp_path / "c.pyth"), tmp_path / "d.pyth", "pycls")
    our_file(tmp_path / "g.pyth", RESNET_50 | {"RESNET.POOL": "softpool"})
    with pytest.raises(ValueError, match=r"torchvision has no such network: RESNET\.POOL is softpool"):
        convert_weights(str(tmp_path / "g.pyth"), tmp_path / "b.pth", "torchvision")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "e.pth")
    with pytest.raises(ValueError, match="no names in pycls"):
        convert_weights(str(tmp_path / "e.pth"), tmp_path / "f.pyth", "pycls")
    assert not (tmp_path / "b.pth").exists() and not (tmp_path / "d.pyth").exists()


@pytest.mark.parametrize(("name", "fits"), [("EN-B0", True), ("EN-B4", True), ("EN-B5", False)])
def test_torchvisions_larger_efficientnets_have_another_epsilon(name, fits):
    network = getattr(torchvision.models, name.replace("EN-B", "efficientnet_b"))
    with torch.device("meta"):
        (eps,) = {layer.eps for layer in network().modules() if isinstance(layer, nn.BatchNorm2d)}
    cfg = load_cfg(f"configs/dds_baselines/effnet/{name}_dds_8gpu.yaml", ["MODEL.ACTIVATION_FUN", "silu"])
    assert fits == (eps == cfg.BN.EPS)
    check = pytest.raises(ValueError, match=r"torchvision has no such network: BN\.EPS is 1e-05")
    with contextlib.nullcontext() if fits else check:
        convert._check_torchvision_can(cfg, NAMINGS["effnet"], Path("a.pyth"))


@pytest.mark.parametrize("to", ["pycls", "torchvision"])
def test_a_config_given_beside_the_file_is_judged_too(tmp_path, to):
    torch.save(build_model(cfg_of(RESNET_50 | {"MODEL.NUM_CLASSES": 1000})).state_dict(), tmp_path / "plain.pth")
    our_file(tmp_path / "ours.pyth", RESNET_50)
    (tmp_path / "blur.yaml").write_text(
        "MODEL: {TYPE: resnet, DEPTH: 50, NUM_CLASSES: 1000, BLURPOOL: True}\nTRAIN: {DATASET: imagenet}\n"
        "RESNET: {TRANS_FUN: bottleneck_transform, STRIDE_1X1: False}\n"
    )
    for name, given in (
        ("plain.pth", [str(tmp_path / "blur.yaml")]),
        ("ours.pyth", [None, ["MODEL.BLURPOOL", "True"]]),
    ):
        with pytest.raises(ValueError, match=r"MODEL\.BLURPOOL"):
            convert_weights(str(tmp_path / name), tmp_path / "out.pth", to, *given)
    assert not (tmp_path / "out.pth").exists()


def test_files_of_several_possible_networks_are_converted_as_what_they_are(tmp_path):
    """timm's efficientnet_b0 and tf_efficientnet_b0 share all tensors; torchvision and pycls have the first only."""
    state = {}
    for name, tensor in meta_state("efficientnet_b0").items():
        state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    for name in ("efficientnet_b0", "tf_efficientnet_b0", "a"):
        torch.save(state, tmp_path / f"{name}.pth")
    refused = {
        ("tf_efficientnet_b0", "torchvision"): "torchvision has no such network: .*tf_padding=True",
        ("tf_efficientnet_b0", "pycls"): r"pycls has nothing like EN\.TF_PADDING True",
        ("a", "torchvision"): "have the same tensors",
    }
    for (name, to), said in refused.items():
        with pytest.raises(ValueError, match=said):
            convert_weights(str(tmp_path / f"{name}.pth"), tmp_path / "b.pyth", to)
    convert_weights(str(tmp_path / "efficientnet_b0.pth"), tmp_path / "b.pyth", "pycls")
    cfg = yaml.safe_load(load_checkpoint(tmp_path / "b.pyth")["cfg"])
    assert cfg["BN"] == {"EPS": 1e-5} and cfg["MODEL"] == {"ACTIVATION_FUN": "silu"}
    convert_weights(str(tmp_path / "tf_efficientnet_b0.pth"), tmp_path / "b.safetensors", "safetensors")
    assert load_tensor_file(tmp_path / "b.safetensors")["arch"] == "tf_efficientnet_b0", "not forgotten"


def test_a_bare_file_under_our_names_may_be_of_another_network(tmp_path):
    """Its resnet may stride in its 1x1 convolutions, which torchvision's does not."""
    model = our_file(tmp_path / "a.pyth", TWINS["resnet18"])
    torch.save(model.state_dict(), tmp_path / "bare.pth")
    done = [convert_weights(str(tmp_path / file), tmp_path / "b.pth", "torchvision") for file in ("a.pyth", "bare.pth")]
    assert ["holds no config, so nothing tells whether" in words for words in done] == [False, True]


def meta_state(name):
    with torch.device("meta"):
        return pytest.importorskip("timm").create_model(name).state_dict()
