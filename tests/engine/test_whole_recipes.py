"""The recipes say what was published, and do it: hyperparameters, learning rates, sizes, weight decays."""

import numpy as np
import pytest
import torch

from pycls.core.config import flatten, load_cfg
from pycls.engine.checks import check_supported
from pycls.engine.progressive_resizing import check_schedule, scheduled_im_size
from pycls.models import build_model
from pycls.optim import build_lr_policy, build_optimizer
from pycls.optim.ema import ema_rate
from tests.helpers.paths import CONFIGS

# "ResNet strikes back", arXiv 2110.00476, table 2; what it leaves out (rates at both ends, threshold): timm's scripts.
RSB = {
    "MODEL.LOSS_FUN": "bce",
    "MODEL.BCE_THRESHOLD": 0.2,
    "OPTIM.OPTIMIZER": "lamb",
    "OPTIM.LR_POLICY": "cos",
    "OPTIM.WARMUP_EPOCHS": 5,
    "OPTIM.EMA_UPDATE_PERIOD": 0,
    "TRAIN.BATCH_SIZE": 2048,
    "TRAIN.CUTMIX_ALPHA": 1.0,
    "TRAIN.MIX_PROB": 1.0,
    "TRAIN.MIX_SWITCH_PROB": 0.5,
    "TRAIN.RANDOM_ERASE": 0.0,
    "TRAIN.COLOR_JITTER": [0.0, 0.0, 0.0, 0.0],
    "TRAIN.PCA_STD": 0.0,
    "TRAIN.IM_SIZE": 224,
    "TEST.IM_SIZE": 235,  # 224 / 0.95
}


def rsb(epochs, lr, decay, smoothing, depth, repeats, magnitude, mixup):
    keys = {"OPTIM.MAX_EPOCH": epochs, "OPTIM.BASE_LR": lr, "OPTIM.WEIGHT_DECAY": decay, "TRAIN.REPEATS": repeats}
    keys |= {"TRAIN.LABEL_SMOOTHING": smoothing, "MODEL.STOCHASTIC_DEPTH": depth, "TRAIN.MIXUP_ALPHA": mixup}
    return RSB | keys | {"TRAIN.AUGMENT": f"RandAugment_N2_M{magnitude}_S0.5_P0.5", "TRAIN.AUGMENT_OPS": "timm"}


# github.com/libffcv/ffcv-imagenet, rn50_configs: 512 images on each of 8 GPUs.
FFCV = {
    "MODEL.BLURPOOL": True,
    "OPTIM.OPTIMIZER": "sgd",
    "OPTIM.MOMENTUM": 0.9,
    "OPTIM.NESTEROV": False,
    "OPTIM.LR_PER_ITER": True,
    "OPTIM.WEIGHT_DECAY": 1e-4,
    "TRAIN.BATCH_SIZE": 8 * 512,
    "TRAIN.LABEL_SMOOTHING": 0.1,
    "TRAIN.IM_SIZE": 256,
    "TEST.IM_SIZE": round(256 / (224 / 256)),
    "TEST.HFLIP": True,
}
# github.com/pytorch/vision, references/classification: 128 images on each of 8 GPUs.
TORCHVISION = {
    "MODEL.LOSS_FUN": "cross_entropy",
    "OPTIM.OPTIMIZER": "sgd",
    "OPTIM.BASE_LR": 0.5,
    "OPTIM.MOMENTUM": 0.9,
    "OPTIM.NESTEROV": False,
    "OPTIM.LR_POLICY": "cos",
    "OPTIM.MAX_EPOCH": 600,
    "OPTIM.WARMUP_EPOCHS": 5,
    "OPTIM.WEIGHT_DECAY": 2e-5,
    "TRAIN.BATCH_SIZE": 8 * 128,
    "TRAIN.REPEATS": 4,
    "TRAIN.LABEL_SMOOTHING": 0.1,
    "TRAIN.MIXUP_ALPHA": 0.2,
    "TRAIN.CUTMIX_ALPHA": 1.0,
    "TRAIN.AUGMENT": "TrivialAugment",
    "TRAIN.AUGMENT_OPS": "torchvision",
    "TRAIN.AUGMENT_INTERPOLATION": "bilinear",
    "TRAIN.RANDOM_ERASE": 0.1,
    "TRAIN.PCA_STD": 0.0,
    "TRAIN.IM_SIZE": 224,
    "TEST.IM_SIZE": 232,
    "TEST.HFLIP": False,
}

# Numbers in the header, hyperparameters, size of an epoch's training squares.
PUBLISHED = {
    "RSB-A1-R-50": ("80.4 % top-1", rsb(600, 5e-3, 0.01, 0.1, 0.05, 3, 7, 0.2), {0: 224, 599: 224}),
    "RSB-A2-R-50": ("79.8 % top-1", rsb(300, 5e-3, 0.02, 0.0, 0.05, 3, 7, 0.1), {0: 224, 299: 224}),
    "RSB-A3-R-50": ("78.1 % top-1", rsb(100, 8e-3, 0.02, 0.0, 0.0, 1, 6, 0.1), {0: 160, 99: 160}),
    "TV-V2-R-50": ("80.858 % top-1, 95.434 % top-5 accuracy", TORCHVISION, {0: 176, 599: 176}),
    "FFCV-R-50-16": ("26.2 % top-1 error, 9.2 % top-5 error", FFCV, {0: 160, 11: 160, 12: 192, 15: 192}),
    "FFCV-R-50-88": ("21.6 % top-1 error, 5.9 % top-5 error", FFCV, {65: 160, 70: 160, 71: 192, 76: 192}),
}
RATES = {  # some epoch: learning rate
    "RSB-A1-R-50": {0: 1e-4, 600: 1e-6},
    "RSB-A2-R-50": {0: 1e-4, 300: 1e-6},
    "RSB-A3-R-50": {0: 1e-4, 100: 1e-6},
    "TV-V2-R-50": {0: 0.5 * 0.01, 5: 0.5, 600: 0},
    "FFCV-R-50-16": {epoch: np.interp(epoch, [0, 2, 16], [1.7e-4, 1.7, 0]) for epoch in (0, 0.3, 2, 7.7, 16)},
    "FFCV-R-50-88": {epoch: np.interp(epoch, [0, 2, 88], [1.7e-4, 1.7, 0]) for epoch in (0, 1.1, 2, 50.4, 88)},
}
DECAYED = {"RSB": {"rest"}, "FFCV": {"rest", "bias"}, "TV": {"rest", "bias"}}


def load(name):
    return load_cfg(str(CONFIGS / f"recipes/{name}.yaml"))


def test_every_recipe_is_checked():
    assert sorted(PUBLISHED) == sorted(path.stem for path in (CONFIGS / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_the_published_one(name):
    numbers, keys, sizes = PUBLISHED[name]
    cfg = load(name)
    found = dict(flatten(cfg))
    assert {key: found[key] for key in keys} == keys
    header = " ".join((CONFIGS / f"recipes/{name}.yaml").read_text().split("MODEL:")[0].replace("#", " ").split())
    assert numbers in header
    schedule = cfg.TRAIN.IM_SIZE_SCHEDULE
    assert {epoch: scheduled_im_size(schedule, epoch, cfg.TRAIN.IM_SIZE) for epoch in sizes} == sizes
    policy = build_lr_policy(cfg)
    assert {epoch: policy(epoch) for epoch in RATES[name]} == pytest.approx(RATES[name], rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_could_start_and_decays_the_right_weights(name):
    cfg = load(name)
    if cfg.OPTIM.OPTIMIZER == "lamb":
        pytest.importorskip("timm")
    check_supported(cfg)
    check_schedule(cfg)
    with torch.device("meta"):
        model = build_model(cfg)
    decay = {id(p): g["weight_decay"] for g in build_optimizer(cfg, model).param_groups for p in g["params"]}
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    kinds = {id(p): "norm" for m in norms for p in m.parameters()}
    rows = {(kinds.get(id(p), "bias" if p.ndim == 1 else "rest"), decay[id(p)]) for p in model.parameters()}
    decayed = DECAYED[name.split("-")[0]]
    expected = {(kind, cfg.OPTIM.WEIGHT_DECAY if kind in decayed else 0.0) for kind in ("norm", "bias", "rest")}
    assert rows == expected


def test_the_moving_average_of_torchvision_is_its_own():
    """Its script: alpha = (1 - decay) * world size * images a GPU * steps between updates / epochs."""
    cfg = load("TV-V2-R-50")
    rate = ema_rate(cfg.OPTIM.EMA_ALPHA, cfg.TRAIN.BATCH_SIZE, cfg.OPTIM.MAX_EPOCH, cfg.OPTIM.EMA_UPDATE_PERIOD)
    assert rate == pytest.approx((1 - 0.99998) * 8 * 128 * 32 / 600, rel=1e-9)
