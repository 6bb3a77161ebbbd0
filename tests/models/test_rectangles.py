"""Networks for images that are no squares: all that can take them do, the others say so in one line."""

import pytest
import torch

from pycls.models import MODELS, build_model
from pycls.models.complexity import complexity
from tests.helpers.model_records import cfg_of
from tests.models.test_model_table import EXAMPLES

TORCHVISION = {"MODEL.TYPE": "torchvision"}
SIZE = {"MODEL.NUM_CLASSES": 7, "TRAIN.IM_SIZE": [32, 64]}


@pytest.mark.parametrize("name", MODELS)
def test_every_family_is_built_for_them(name):
    if name == "timm":
        pytest.importorskip("timm")
    model = build_model(cfg_of({"MODEL.TYPE": name} | SIZE | EXAMPLES[name])).eval()
    assert model(torch.rand(2, 3, 32, 64)).shape == (2, 7)
    counts = complexity(model, [32, 64])
    square = build_model(cfg_of({"MODEL.TYPE": name} | SIZE | EXAMPLES[name] | {"TRAIN.IM_SIZE": 32}))
    assert 1.8 < counts["flops"] / complexity(square, 32)["flops"] < 2.4


def test_a_vit_has_positions_for_its_patches_only():
    model = build_model(cfg_of({"MODEL.TYPE": "vit"} | SIZE | EXAMPLES["vit"]))
    assert model.pos_embedding.shape[0] == 4 * 8 + 1
    with pytest.raises(ValueError, match="positions for 32 x 64 pixels, the image is 64 x 32"):
        model(torch.rand(1, 3, 64, 32))
    with pytest.raises(ValueError, match=r"TRAIN.IM_SIZE 60 is no multiple of VIT.PATCH_SIZE 8"):
        build_model(cfg_of({"MODEL.TYPE": "vit"} | SIZE | EXAMPLES["vit"] | {"TRAIN.IM_SIZE": [32, 60]}))


def test_timms_transformers_are_built_for_their_patches():
    pytest.importorskip("timm")
    keys = {"MODEL.TYPE": "timm", "MODEL.NAME": "vit_tiny_patch16_224"} | SIZE
    assert build_model(cfg_of(keys)).eval()(torch.rand(1, 3, 32, 64)).shape == (1, 7)


@pytest.mark.parametrize(
    "keys, words",
    [
        (
            {"MODEL.TYPE": "torchvision", "MODEL.NAME": "vit_b_16"},
            "vit_b_16 of torchvision takes squares only, got 32 x 64",
        ),
        (
            {"MODEL.TYPE": "torchvision", "MODEL.NAME": "maxvit_t"},
            "maxvit_t takes multiples of 224 pixels only, got 32",
        ),
        ({"MODEL.TYPE": "torchvision", "MODEL.NAME": "alexnet"}, "alexnet cannot take images of 32 x 64 pixels"),
        ({"MODEL.TYPE": "resnet", "MODEL.DEPTH": 50, "TRAIN.IM_SIZE": [16, 64]}, "16 x 64 pixels is less than"),
    ],
)
def test_a_network_that_cannot_says_so(keys, words):
    with pytest.raises(ValueError, match=f"TRAIN.IM_SIZE: {words}"):
        build_model(cfg_of(SIZE | keys))
