"""A view other than that of the weights is told in one line, before its figures mislead."""

import pytest
import torch
import yaml
from PIL import Image

from pycls.core.config import dump_cfg, load_cfg
from pycls.core.weights.sources import PACKAGES, ZOO, zoo_url
from pycls.engine.pixels.other_view import other_view
from pycls.engine.pixels.published_view import PACKAGE_CONFIGS, published_view
from pycls.engine.setup import pixel_contract
from pycls.models import build_model
from tests.helpers.paths import CONFIGS
from tests.helpers.runs import run_tool_here

TORCHVISION = "torchvision/resnet50.yaml"
V2 = "torchvision://resnet50/IMAGENET1K_V2"
URL = zoo_url("RegNetX-400MF")
PYCLS = "dds_baselines/regnetx/RegNetX-400MF_dds_8gpu.yaml"


@pytest.mark.parametrize(
    ("config", "words", "differences"),
    [
        (TORCHVISION, [], []),
        (TORCHVISION, ["TEST.WEIGHTS", "runs/mine/best.pyth", "TEST.IM_SIZE", "300"], []),
        (TORCHVISION, ["TEST.WEIGHTS", V2], ["TEST.IM_SIZE is 256, published with 232"]),
        (TORCHVISION, ["TEST.WEIGHTS", V2, "TEST.IM_SIZE", "232"], []),
        (
            TORCHVISION,
            ["TRAIN.IM_SIZE", "192", "DATA_LOADER.ANTIALIAS", "False", "DATA_LOADER.EXIF_ROTATE", "True"],
            [
                "TRAIN.IM_SIZE is 192, published with 224",
                "DATA_LOADER.ANTIALIAS is False, published with True",
                "DATA_LOADER.EXIF_ROTATE is True, published with False",
            ],
        ),
        (TORCHVISION, ["DATA_LOADER.DEPTH", "full"], ["DATA_LOADER.DEPTH is full, published with uint8"]),
        (PYCLS, ["TEST.WEIGHTS", "regnetx/400MF"], []),
        (PYCLS, ["TEST.WEIGHTS", URL], []),
        (PYCLS, ["TEST.WEIGHTS", URL, "TEST.IM_SIZE", "232"], ["TEST.IM_SIZE is 232, published with 256"]),
        (
            PYCLS,
            ["TEST.WEIGHTS", "/cache/RegNetX-400MF_dds_8gpu.pyth", "DATA_LOADER.ANTIALIAS", "True"],
            ["DATA_LOADER.ANTIALIAS is True, published with False"],
        ),
        ("efficientnet_lite/EN-Lite0.yaml", ["TEST.WEIGHTS", "EfficientNet-Lite0"], []),
        (
            "efficientnet_lite/EN-Lite0.yaml",
            ["TEST.WEIGHTS", "EN-Lite0", "DATA_LOADER.MEAN", "[0.5, 0.5, 0.5]"],
            ["mean is (0.5, 0.5, 0.5), published with (0.4980392156862745, 0.4980392156862745, 0.4980392156862745)"],
        ),
    ],
)
def test_the_view_of_published_weights(config, words, differences):
    cfg = load_cfg(str(CONFIGS / config), words)
    line = other_view(cfg.TEST.WEIGHTS, {}, cfg, "the file")
    said = f"{cfg.TEST.WEIGHTS}: {'; '.join(differences)}; expect other figures than the published ones"
    assert line == (said if differences else "")


@pytest.mark.parametrize("name", ZOO)
def test_pycls_published_with_plain_bilinear_squares(name):
    """256 / 224 of the training size, as its page says, whole pixels; EfficientNets have sizes of their own."""
    view = published_view(name)
    assert not view.antialias and view.interpolation == "bilinear" and view.mean == (0.485, 0.456, 0.406)
    sizes = {"B1": 240, "B2": 260, "B3": 300, "B4": 380, "B5": 456}
    assert view.crop_px == sizes.get(name.removeprefix("EfficientNet-"), 224)
    assert abs(view.resize_px - view.crop_px * 256 / 224) < 1


def test_every_package_has_a_config():
    assert PACKAGE_CONFIGS.keys() == PACKAGES.keys()


def of_pycls(**data_loader):
    """Return what a checkpoint of pycls, or of pytorch-cls with a BACKEND, has of a config."""
    tree = {"MODEL": {"TYPE": "resnet"}, "TRAIN": {"DATASET": "imagenet"}, "TEST": {"DATASET": "imagenet"}}
    return {"cfg": yaml.safe_dump(tree | {"DATA_LOADER": {"NUM_WORKERS": 4} | data_loader})}


def test_the_view_in_a_file():
    """The contract in a checkpoint of ours comes first, then the name, then what another program's config means."""
    cfg = load_cfg(str(CONFIGS / PYCLS))
    ours = {"pixels": pixel_contract(load_cfg(str(CONFIGS / PYCLS), ["DATA_LOADER.ANTIALIAS", "True"]))}
    said = "x.pyth: was made with antialias True, now it is False; expect other figures"
    assert other_view(URL, ours, cfg, "x.pyth") == other_view("x.pyth", ours, cfg, "x.pyth") == said
    assert other_view("x.pyth", {"pixels": pixel_contract(cfg)}, cfg, "x.pyth") == ""
    assert other_view("x.pyth", of_pycls(), cfg, "x.pyth") == ""
    wide = load_cfg(str(CONFIGS / PYCLS), ["DATA_LOADER.ANTIALIAS", "True", "TEST.IM_SIZE", "320"])
    said = "was made with antialias False, now it is True; test_im_size 256, now it is 320; expect other figures"
    assert other_view("x.pyth", of_pycls(), wide, "x.pyth") == f"x.pyth: {said}"
    assert other_view("x.pyth", {"cfg": "MODEL: {TYPE: of another program}"}, wide, "x.pyth") == ""
    assert other_view("x.pyth", {}, wide, "x.pyth") == ""
    nameless = load_cfg(None, ["MODEL.TYPE", "regnet"])  # files are then seen as ImageNet's
    assert other_view("x.pyth", {}, nameless, "x.pyth") == ""
    assert "DATA_LOADER.ANTIALIAS is True" in other_view(URL, {}, nameless, "x.pyth")
    assert other_view("x.pyth", of_pycls(BACKEND="custom", WORLD_SIZE=1), cfg, "x.pyth") == ""
    assert "antialias True, now" in other_view("x.pyth", of_pycls(BACKEND="dali_cpu", WORLD_SIZE=1), cfg, "x.pyth")


def test_the_view_of_arrays_is_not_resized():
    """CIFAR's images are 32 px wide: how others would be resized says nothing."""
    words = ["TRAIN.DATASET", "cifar10", "TEST.DATASET", "cifar10", "TRAIN.IM_SIZE", "32"]
    saved = {"pixels": pixel_contract(load_cfg(None, words))}
    other = load_cfg(None, [*words, "TEST.IM_SIZE", "40"])
    assert other_view("", saved, other, "x.pyth") == ""
    scaled = load_cfg(None, [*words, "DATA_LOADER.STD", "[0.5, 0.5, 0.5]"])
    assert "std [" in other_view("", saved, scaled, "x.pyth")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return the digits' network as a checkpoint of ours."""
    cfg = load_cfg(str(CONFIGS / "quickstart/digits.yaml"))
    path = tmp_path_factory.mktemp("view") / "a.pyth"
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": pixel_contract(cfg)}
    torch.save(state, path)
    return path


COMMANDS = {
    "test_net.py": ("--cfg", CONFIGS / "quickstart/digits.yaml", "TEST.WEIGHTS", "{weights}", "OUT_DIR", "{out}/run"),
    "predict.py": ("{photo}", "--weights", "{weights}"),
    "export.py": ("{weights}", "{out}/a.pt2", "--format", "torch"),
    "model_zoo.py": ("verify", "configs/quickstart/digits.yaml", "TEST.WEIGHTS", "{weights}", "PREC_TIME.NUM_ITER=1"),
}


@pytest.mark.parametrize("tool", COMMANDS)
def test_every_command_says_it_in_one_line(tool, weights, tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 30), (200, 10, 30)).save(photo)
    words = [str(word).format(weights=weights, out=tmp_path, photo=photo) for word in COMMANDS[tool]]
    done = run_tool_here(tool, *words, "DATA_LOADER.ANTIALIAS=False", "DEVICE=cpu")
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "antialias True" in line]
    assert len(lines) == 1, done.stdout + done.stderr
    assert f"{weights}: was made with antialias True, now it is False; expect other figures" in lines[0]
