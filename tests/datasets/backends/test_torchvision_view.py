"""Our evaluation view is torchvision's published preset: the same logits on real photographs, from every backend."""

import numpy as np
import pytest
import torch
from torchvision import models
from yacs.config import CfgNode

from pycls.core.config import load_cfg
from pycls.datasets import DATASETS
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.synthetic import load_photographs
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.transforms.view import build_view
from pycls.models.external.torchvision_models import torchvision_model
from tests.helpers.backends import NAMES, draw, make_backend
from tests.helpers.paths import CONFIGS
from tests.helpers.photographs import encode, write_files
from tests.helpers.reference import open_rgb

CONFIGS = CONFIGS / "torchvision"
BICUBIC = ["TEST.INTERPOLATION", "bicubic"]
PRESETS = {
    "resnet50": (models.ResNet50_Weights.IMAGENET1K_V1, []),  # 256 -> 224
    "mnasnet1_3": (models.MNASNet1_3_Weights.IMAGENET1K_V1, []),  # 232 -> 224
    "inception_v3": (models.Inception_V3_Weights.IMAGENET1K_V1, []),  # 342 -> 299
    "efficientnet_b0": (models.EfficientNet_B0_Weights.IMAGENET1K_V1, BICUBIC),  # 256 -> 224
}
# Largest difference of a logit / their standard deviation. Our C extension resizes as Pillow to the bit (1e-5), torch's
# uint8 resize is a gray level off in at most 0.4 % of the pixels (5e-4), DALI's, which rounds once, in 18 % (4e-3).
TOLERANCE = {"custom": 1e-3, "custom_opencv": 1e-3, "torch": 1e-3, "dali_cpu": 1e-2}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> FileSamples:
    """Return the photographs of scikit-image and scikit-learn as JPEGs."""
    files = {f"{number}.JPEG": encode(photo, quality=92) for number, photo in enumerate(load_photographs())}
    return write_files(tmp_path_factory.mktemp("photos"), files)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """Return a ResNet-18 as torchvision initializes it: its logits have a standard deviation of about 1."""
    torch.manual_seed(0)
    return torchvision_model("resnet18", 1000, 224).eval()


@pytest.fixture(scope="module", params=PRESETS)
def case(request: pytest.FixtureRequest, samples: FileSamples, network: torch.nn.Module):
    """Return a config and the logits of the preset that torchvision publishes with its network."""
    weights, words = PRESETS[request.param]
    preset = weights.transforms()
    images = torch.stack([preset(open_rgb(samples.read(index))) for index in range(len(samples))])
    return config(request.param, words), logits(network, images)


def config(name: str, words: list[str]) -> CfgNode:
    """Load a network's config; those that have none begin with that of ResNet-50."""
    path = CONFIGS / f"{name}.yaml"
    return load_cfg(str(path if path.exists() else CONFIGS / "resnet50.yaml"), ["MODEL.NAME", name, *words])


def logits(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(images)


@pytest.mark.parametrize("name", NAMES)
def test_the_logits_are_those_of_the_published_preset(name, case, samples, network):
    cfg, wanted = case
    backend = make_backend(name, samples, build_view(cfg, "test"), num_workers=0 if name == "torch" else 2)
    squares = torch.from_numpy(draw(backend, 0, [np.arange(len(samples))]))
    backend.close()
    data = DATASETS[cfg.TEST.DATASET]
    found = logits(network, Normalize(data.mean, data.std, torch.device("cpu"))(squares))
    assert 0.5 < wanted.std() < 2 and (wanted - wanted.mean(0)).std() > 0.1, "logits differ between images"
    assert (found - wanted).abs().max() < TOLERANCE[name] * wanted.std()


def test_another_view_would_be_seen(case, samples, network):
    """A resize that is 4 % off, or one without antialiasing, is far outside every tolerance."""
    cfg, wanted = case
    other_filter = "bicubic" if cfg.TEST.INTERPOLATION == "bilinear" else "bilinear"
    for words in (
        ["TEST.IM_SIZE", str(round(cfg.TEST.IM_SIZE * 1.04))],
        ["DATA_LOADER.ANTIALIAS", "False"],
        ["TEST.INTERPOLATION", other_filter],
    ):
        view = build_view(config(cfg.MODEL.NAME, words), "test")
        backend = make_backend("custom", samples, view)
        squares = torch.from_numpy(draw(backend, 0, [np.arange(len(samples))]))
        backend.close()
        data = DATASETS[cfg.TEST.DATASET]
        found = logits(network, Normalize(data.mean, data.std, torch.device("cpu"))(squares))
        assert (found - wanted).abs().max() > 3 * max(TOLERANCE.values())
