"""The line that says the whole view of an image: every key that changes the view changes it."""

import pytest

from pycls.core.config import load_cfg
from pycls.core.config.defaults import declared_keys
from pycls.datasets.decoders import libjpeg_turbo
from pycls.engine.reporting.view_text import describe_view
from tests.helpers.paths import CONFIGS
from tests.helpers.runs import overrides

PLAIN = {"TRAIN.DATASET": "imagenet", "TEST.DATASET": "imagenet", "DATA_LOADER.JPEG": "opencv"}
# All on, so that what changes a part of them changes the view.
RICH = PLAIN | {
    "TRAIN.AUGMENT": "RandAugment_N2_M1",
    "TRAIN.COLOR_JITTER": [0.4, 0.3, 0.2, 0.0],
    "TRAIN.RANDOM_ERASE": 0.25,
    "TRAIN.MIXUP_ALPHA": 0.2,
    "TRAIN.CUTMIX_ALPHA": 1.0,
}
# Every key that decides about the view of an image -> another value.
OTHER = {
    "TRAIN.PCA_STD": 0.2,
    "TRAIN.AUGMENT": "TrivialAugment",
    "TRAIN.AUGMENT_OPS": "timm",
    "TRAIN.AUGMENT_INTERPOLATION": "bilinear",
    "TRAIN.COLOR_JITTER_STYLE": "cutmix",
    "TRAIN.COLOR_JITTER": [0.4, 0.3, 0.2, 0.1],
    "TRAIN.REPEATS": 3,
    "TRAIN.RANDOM_ERASE": 0.3,
    "TRAIN.CROP_STYLE": "pycls",
    "TRAIN.CROP_AREA": [0.25, 1.0],
    "TRAIN.CROP_ASPECT": [0.8, 1.25],
    "TRAIN.CROP_PADDING": 2,
    "TRAIN.INTERPOLATION": "random",
    "TRAIN.HFLIP": 0.0,
    "TRAIN.IM_SIZE": [160, 224],
    "TRAIN.IM_SIZE_SCHEDULE": [[0, 128], [10, 224]],
    "DATA_LOADER.BACKEND": "torch",
    "DATA_LOADER.JPEG": "auto",
    "DATA_LOADER.MEAN": [0.5, 0.5, 0.5],
    "DATA_LOADER.STD": [0.5, 0.5, 0.5],
    "DATA_LOADER.ANTIALIAS": False,
    "DATA_LOADER.CHANNELS": 1,
    "DATA_LOADER.DEPTH": "full",
    "DATA_LOADER.EXIF_ROTATE": True,
    "TRAIN.MIXUP_ALPHA": 0.0,
    "TRAIN.CUTMIX_ALPHA": 0.5,
    "TRAIN.MIX_PROB": 0.5,
    "TRAIN.MIX_SWITCH_PROB": 0.3,
    "TRAIN.MIX_MODE": "elem",
    "TEST.IM_SIZE": [256, 288],
    "TEST.INTERPOLATION": "bicubic",
    "TEST.HFLIP": True,
}
NOT_WITH_ALL = ("DATA_LOADER.CHANNELS", "DATA_LOADER.DEPTH")  # some augmentations are for 8 bits of RGB
# Keys that decide which images there are, and one with a single choice.
NO_VIEW = {
    *("DATA.CLASSES", "DATA.MISSING_CLASSES", "DATA.VAL_FRACTION", "DATA.FOLDS", "DATA.FOLD", "DATA.SPLIT_SEED"),
    "TRAIN.DATASET",
    "TRAIN.SPLIT",
    "DATA_DIR",
    "DATA_LOADER.ON_BAD_IMAGE",
    "DATA_LOADER.SKIP_LIST",
}
NO_VIEW |= {"DATA_LOADER.CHANNEL_ORDER"}
OF_BOTH = {"TRAIN.IM_SIZE", *(key for key in OTHER if key.startswith("DATA_LOADER."))}
ARRAYS = {"TRAIN.DATASET": "cifar10", "TEST.DATASET": "cifar10", "TRAIN.IM_SIZE": 32, "TEST.IM_SIZE": 32}


def lines(keys):
    cfg = load_cfg(None, overrides(keys))
    return [describe_view(cfg, phase) for phase in ("train", "test")]


@pytest.fixture(autouse=True)
def _extension(monkeypatch):
    monkeypatch.setattr(libjpeg_turbo, "use_extension", lambda choice: choice != "opencv")


def test_no_key_of_the_view_is_forgotten():
    of_data = {key for key, row in declared_keys().items() if row.decides == "data"}
    assert of_data - set(OTHER) == NO_VIEW, "a new key belongs to one of the two"


@pytest.mark.parametrize("key", OTHER)
def test_a_key_of_the_view_changes_the_line(key):
    keys = PLAIN if key in NOT_WITH_ALL else RICH | ARRAYS if key == "TRAIN.CROP_PADDING" else RICH
    (train, test), (other_train, other_test) = lines(keys), lines(keys | {key: OTHER[key]})
    assert (train != other_train) == (not key.startswith("TEST.")), other_train
    assert (test != other_test) == (key.startswith("TEST.") or key in OF_BOTH), other_test


@pytest.mark.parametrize("key", ["OPTIM.BASE_LR", "TRAIN.BATCH_SIZE", "RNG_SEED", "DATA_LOADER.NUM_WORKERS"])
def test_other_keys_do_not(key):
    assert lines(RICH) == lines(RICH | {key: 64})


def test_stages_stand_in_the_order_in_which_they_are_done():
    train, test = lines(RICH)
    assert train.split(" | ") == [
        "decode(custom, jpeg by OpenCV, RGB)",
        "random_resized_crop(224 px, area 0.08-1, aspect 0.75-1.333, torchvision's law, bilinear, antialiased)",
        "flip_lr(50 %)",
        "RandAugment_N2_M1(torchvision's, warps nearest)",
        "color_jitter(brightness 0.4, contrast 0.3, saturation 0.2, torchvision's law)",
        "lighting(0.1)",
        "normalize(mean 0.485 0.456 0.406, std 0.229 0.224 0.225)",
        "erase(25 %)",
        "mix(mixup alpha 0.2 or cutmix alpha 1, 100 %, cutmix 50 % of them, drawn for each batch)",
    ]
    assert test.split(" | ") == [
        "decode(custom, jpeg by OpenCV, RGB)",
        "resize_short(256 px, bilinear, antialiased)",
        "center_crop(224 px)",
        "normalize(mean 0.485 0.456 0.406, std 0.229 0.224 0.225)",
    ]


def test_other_images_than_squares_of_rgb():
    keys = {"TRAIN.IM_SIZE": [160, 320], "TEST.IM_SIZE": [180, 360], "DATA_LOADER.EXIF_ROTATE": True}
    train, test = (line.split(" | ") for line in lines(PLAIN | keys | {"DATA_LOADER.CHANNELS": 1}))
    assert train[0] == test[0] == "decode(custom, jpeg by OpenCV, RGB, upright by EXIF)"
    assert train[1].startswith("random_resized_crop(160 x 320 px, ") and "lighting(0.1)" not in train
    assert test[1:4] == [
        "resize_to_cover(180 x 360 px, bilinear, antialiased)",
        "center_crop(160 x 320 px)",
        "gray(luma)",
    ]
    deep = lines(PLAIN | {"DATA_LOADER.DEPTH": "full", "DATA_LOADER.CHANNELS": 4})[1]
    assert deep.startswith("decode(custom, jpeg by Pillow, RGB and alpha, all bits) | ")


def test_training_on_the_center_reads_as_the_evaluation():
    train, test = (line.split(" | ") for line in lines(PLAIN | {"TRAIN.CROP_STYLE": "center", "TEST.IM_SIZE": 300}))
    middle = ["resize_short(300 px, bilinear, antialiased)", "center_crop(224 px)"]
    assert train[:3] == test[:3] == [test[0], *middle]
    assert train[3] == "flip_lr(50 %)"
    assert lines(ARRAYS | {"TRAIN.CROP_STYLE": "center"})[0].split(" | ")[1] == "flip_lr(50 %)"


def test_array_data_are_padded_and_cut():
    train, test = (line.split(" | ")[:-1] for line in lines(ARRAYS | {"TRAIN.CROP_STYLE": "pycls"}))
    assert train == [
        "array(32 px, memory)",
        "pad(4 px, RGB 125 123 114)",
        "random_crop(32 px, pycls's law)",
        "flip_lr(50 %)",
    ]
    assert test == ["array(32 px, memory)"]


def test_every_shipped_config_has_its_lines():
    described = set()
    for path in sorted(CONFIGS.rglob("*.yaml")):
        cfg = load_cfg(str(path))
        described |= {describe_view(cfg, phase) for phase in ("train", "test") if cfg[phase.upper()].DATASET}
    assert len(described) > 20 and all("normalize(mean " in line and "\n" not in line for line in described)
