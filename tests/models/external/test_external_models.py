"""Networks of torchvision and timm by name: heads, image sizes, published weights; and what a user can get wrong."""

import re

import pytest
import torch
from torch import nn
from torchvision import models

from pycls.core.checkpoint import load_weights
from pycls.core.config import load_cfg
from pycls.datasets import color_scale
from pycls.models import build_model
from pycls.models.complexity import show_image
from pycls.models.external.torchvision_models import torchvision_model, torchvision_names
from pycls.models.external.weights_url import weights_url
from tests.helpers.model_records import cfg_of
from tests.helpers.paths import CONFIGS

CONFIGS = sorted((CONFIGS / "torchvision").glob("*.yaml"))
# regnet_y_128gf would take 2.6 GB: torchvision's RegNets cannot be built without data.
NAMES = [name for name in torchvision_names() if name != "regnet_y_128gf"]


def build(library, name, **keys):
    """Build on the meta device."""
    if library == "timm":
        pytest.importorskip("timm")
    words = {key.replace("__", "."): value for key, value in keys.items()}
    with torch.device("meta"):
        return build_model(cfg_of({"MODEL.TYPE": library, "MODEL.NAME": name} | words))


@pytest.mark.parametrize("name", NAMES)
def test_every_network_of_torchvision_has_a_head_of_the_size_asked_for(name):
    im_size = 75 if name == "inception_v3" else 224
    with torch.device("meta"):
        model = torchvision_model(name, 7, im_size)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert show_image(model.eval(), im_size).shape == (1, 7)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_training_gives_plain_logits_too(name):
    model = torchvision_model(name, 5, 75).train()
    assert model(torch.rand(2, 3, 75, 75)).shape == (2, 5)


@pytest.mark.parametrize(
    ("library", "name", "im_size"),
    [
        ("torchvision", "vit_b_32", 96),
        ("torchvision", "maxvit_t", 448),
        ("torchvision", "swin_t", 96),
        ("timm", "test_vit", 96),
        ("timm", "swin_tiny_patch4_window7_224", 160),
        ("timm", "mixer_s32_224", 64),
    ],
)
def test_transformers_for_another_image_size(library, name, im_size):
    model = build(library, name, MODEL__NUM_CLASSES=7, TRAIN__IM_SIZE=im_size)
    assert show_image(model.eval(), im_size).shape == (1, 7)


@pytest.mark.parametrize(
    ("library", "keys", "message"),
    [
        ("torchvision", {"MODEL__NAME": ""}, r"MODEL.NAME is empty: .* of torchvision, such as resnet50"),
        ("torchvision", {"MODEL__NAME": "ResNet51"}, r"torchvision has no network 'ResNet51' \(nearest: resnet50"),
        ("timm", {"MODEL__NAME": "resnet10x"}, r"MODEL.NAME: timm has no network 'resnet10x' \(nearest: resnet10t"),
        ("torchvision", {"MODEL__NAME": "vit_b_16", "TRAIN__IM_SIZE": 230}, r"IM_SIZE: .* 16 .* 230 \(nearest: 224"),
        ("torchvision", {"MODEL__NAME": "maxvit_t", "TRAIN__IM_SIZE": 256}, r"multiples of 224 .* 256 \(nearest: 224"),
        ("torchvision", {"MODEL__NAME": "alexnet", "TRAIN__IM_SIZE": 62}, r"IM_SIZE: alexnet cannot .* 62 pixels"),
        ("torchvision", {"MODEL__NAME": "inception_v3", "TRAIN__IM_SIZE": 74}, r"inception_v3 cannot .* 74 pixels"),
        ("timm", {"MODEL__NAME": "convnext_tiny", "TRAIN__IM_SIZE": 20}, r"convnext_tiny cannot .* 20 pixels"),
        ("timm", {"MODEL__NAME": "maxvit_tiny_tf_224", "TRAIN__IM_SIZE": 100}, r"maxvit_tiny_tf_224 cannot .* 100"),
        ("torchvision", {"MODEL__NAME": "resnet18", "BN__EPS": 0.1}, r"BN.EPS 0.1: .* torchvision .* at 1e-05"),
        ("timm", {"MODEL__NAME": "resnet18", "MODEL__ACTIVATION_FUN": "gelu"}, r"MODEL.ACTIVATION_FUN gelu: .* timm"),
    ],
)
def test_one_sentence_names_the_key(library, keys, message):
    with pytest.raises(ValueError, match=message) as caught:
        build(library, **{"name": "", **keys})
    assert "\n" not in str(caught.value)


# ---- published weights


def write(path, model, rename=lambda key: key):
    """Save a state_dict as torchvision publishes it."""
    state = model.state_dict()
    torch.save({rename(key): value for key, value in state.items()}, path)
    return path


def shake(model):
    """Change every vector (norms, biases) at random, so that one in the wrong place is seen."""
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        if tensor.dim() == 1:
            tensor.add_(0.1 * torch.rand(tensor.shape, generator=generator))
    return model.eval()


def old_dense_names(key):
    """Return the name that torchvision's DenseNet files of 2017 have."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key)


@pytest.mark.parametrize(
    ("name", "options", "rename"),
    [
        ("resnet18", {}, str),
        ("densenet121", {}, old_dense_names),
        ("mnasnet0_5", {}, str),
        ("googlenet", {"aux_logits": True, "transform_input": True, "init_weights": False}, str),
        ("inception_v3", {"aux_logits": True, "transform_input": True, "init_weights": False}, str),
    ],
)
def test_files_of_torchvision_give_its_logits(name, options, rename, tmp_path):
    theirs = shake(getattr(models, name)(num_classes=11, **options))
    ours = torchvision_model(name, 11, 96)
    report = load_weights(ours, write(tmp_path / f"{name}.pth", theirs, rename))
    assert (report.missing, report.unexpected, report.reinitialized) == ([], [], [])
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        wanted = theirs(images)
        assert torch.equal(ours.eval()(images), wanted) and wanted.std() > 1e-3


def test_a_head_of_another_size_is_fresh(tmp_path):
    ours = torchvision_model("resnet18", 5, 64)
    report = load_weights(ours, write(tmp_path / "resnet18.pth", models.resnet18()))
    assert report.reinitialized == ["fc.weight", "fc.bias"] and report.missing == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_evaluation_is_the_published_one(path):
    cfg, header = load_cfg(str(path)), path.read_text().split("MODEL:")[0]
    assert path.stem == cfg.MODEL.NAME and cfg.MODEL.NUM_CLASSES == 1000
    _, published = weights_url(cfg.TEST.WEIGHTS)
    filters = cfg.TEST.INTERPOLATION, cfg.DATA_LOADER.ANTIALIAS
    view = (cfg.TRAIN.IM_SIZE, cfg.TEST.IM_SIZE, *filters, *color_scale(cfg, "test"))
    assert published.differences(*view) == []
    assert f"{100 - published.top1_err:.3f} % top-1, {100 - published.top5_err:.3f} % top-5" in header
    second = re.search(r"TEST.WEIGHTS (\S+/IMAGENET1K_V2)(?: TEST.IM_SIZE (\d+))?", header)
    tags = [weights.name for weights in models.get_model_weights(cfg.MODEL.NAME)]
    assert bool(second) == ("IMAGENET1K_V2" in tags)
    if second:
        _, published = weights_url(second[1])
        assert published.differences(view[0], int(second[2] or view[1]), *view[2:]) == []
        assert f"{100 - published.top1_err:.3f} % and {100 - published.top5_err:.3f} %" in header


def test_names_of_published_weights():
    url, published = weights_url("torchvision://resnet50/IMAGENET1K_V2")
    assert url == models.ResNet50_Weights.IMAGENET1K_V2.url == published.url
    assert (published.crop_px, published.resize_px, published.top1_err) == (224, 232, 19.142)
    assert weights_url("runs/x/last.pyth") == ("runs/x/last.pyth", None)
    assert weights_url("https://host/file.pth") == ("https://host/file.pth", None)


def test_names_of_timms_weights():
    pytest.importorskip("timm")
    url, published = weights_url("timm://resnet50.a1_in1k")
    assert url.endswith("/timm/resnet50.a1_in1k/resolve/main/model.safetensors")
    assert (published.crop_px, published.resize_px, published.interpolation) == (224, 235, "bicubic")
    differences = published.differences(224, 235, "bilinear", True, published.mean, published.std)
    assert differences == ["TEST.INTERPOLATION is bilinear, published with bicubic"]
    assert published.differences(224, 235, "bicubic", True, published.mean, published.std) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "torchvision://resnet50/IMAGENET1K_V3",
            r"resnet50: unknown tag .*did you mean 'IMAGENET1K_V2'.*IMAGENET1K_V1",
        ),
        ("torchvision://resnet50", r"unknown tag '' \(choices: IMAGENET1K_V1, IMAGENET1K_V2\)"),
        ("torchvision://resnet51/IMAGENET1K_V1", r"torchvision has no network 'resnet51' \(nearest: resnet50"),
        ("torchvison://resnet50/IMAGENET1K_V1", r"did you mean 'torchvision'"),
    ],
)
def test_wrong_names_of_weights(name, message):
    with pytest.raises(ValueError, match=message):
        weights_url(name)


def test_the_difference_of_a_view_is_said_in_words():
    _, published = weights_url("torchvision://vit_b_16/IMAGENET1K_SWAG_E2E_V1")
    words = published.differences(224, 256, "bilinear", False, (0.5, 0.5, 0.5), published.std)
    assert words[0] == "TRAIN.IM_SIZE is 224, published with 384" and len(words) == 5


def test_timm_is_the_network_of_timm():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    ours = build_model(cfg_of({"MODEL.TYPE": "timm", "MODEL.NAME": "test_vit", "TRAIN.IM_SIZE": 64})).eval()
    torch.manual_seed(0)
    theirs = timm.create_model("test_vit", num_classes=10, img_size=64).eval()
    assert isinstance(ours, nn.Module) and type(ours) is type(theirs)
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(ours(images), theirs(images))
