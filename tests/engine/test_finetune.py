"""Finetuning: a new classifier, frozen parts that do not move at all, a slower backbone, and photographs."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from pycls.core.checkpoint import last_path
from pycls.core.config import load_cfg
from pycls.engine import train
from pycls.engine.checks import check_supported
from pycls.engine.network.freeze import freeze, set_train_mode
from pycls.engine.network.precise_bn import compute_precise_bn
from pycls.optim import build_optimizer
from pycls.optim.param_groups import lr_scales, param_groups
from tests.engine.test_step import stepper_of
from tests.helpers.parity_fill import fill_, make_input
from tests.helpers.photographs import load
from tests.helpers.runs import ROOT, TINY, overrides, tiny_cfg
from tests.inference.test_predict import needs_lite0

DECAYS = {"bn": 0.0, "ln": 0.0, "bias": 0.0, "rest": 0.1}


def net():
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
    tail = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Module()
    model.body, model.tail, model.fc = body, tail, nn.Linear(4, 5)
    model.forward = lambda x: model.fc(model.tail(model.body(x)))
    return fill_(model).double()


def entries(model, prefix):
    return {k: v.clone() for k, v in model.state_dict().items() if k.startswith(prefix)}


def test_frozen_parts_keep_weights_and_statistics_and_the_rest_moves():
    model, images = net(), make_input((12, 3, 8, 8), 3).double()
    freeze(model, ["body"])
    frozen, moving = entries(model, "body."), entries(model, "tail.")
    stepper = stepper_of(model)
    set_train_mode(model, ["body"])
    assert torch.equal(model.body(images), model.body(images)), "dropout of a frozen part is off"
    stepper.step(images, torch.eye(5).double()[torch.arange(12) % 5], lr=0.1)
    compute_precise_bn([model], [images], ["body"])
    assert all(torch.equal(value, frozen[key]) for key, value in entries(model, "body.").items())
    assert not any(torch.equal(value, moving[key]) for key, value in entries(model, "tail.").items())


def test_unknown_and_total_freezing_are_refused():
    with pytest.raises(ValueError, match=r"no part 'bodi', did you mean 'body'.*body, tail, fc"):
        freeze(net(), ["bodi"])
    with pytest.raises(ValueError, match="leaves nothing to train"):
        freeze(net(), ["body", "tail", "fc"])
    with pytest.raises(ValueError, match="random weights"):
        check_supported(load_cfg(None, ["TRAIN.FROZEN", "['stem']"]))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"TRAIN.FROZEN": "['stemm']", "TRAIN.WEIGHTS": "x.pth"}, "did you mean 'stem'"),
        ({"OPTIM.OPTIMIZER": "lamb"}, "timm"),
        ({"OPTIM.MOMENTUM": 0}, "OPTIM.NESTEROV"),
        ({"TRAIN.MIXUP_ALPHA": 0.2, "TRAIN.BATCH_SIZE": 1}, "single image"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_files_are_listed(tmp_path, monkeypatch, words, found):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # as without timm
    words |= {"TRAIN.DATASET": "imagenet", "TEST.DATASET": "imagenet", "DATA_DIR": tmp_path / "none"}
    with pytest.raises(ValueError, match=found):
        train(load_cfg(None, overrides(TINY | words)))


def test_the_ratio_cuts_groups_in_two_and_scales_one_of_them():
    model = net()
    assert len(param_groups(model, DECAYS, lr_scales(model))) == 3
    groups = param_groups(model, DECAYS, lr_scales(model, 0.1))
    scales = {id(p): (group["lr_scale"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(scales) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert scales[id(parameter)][0] == (1.0 if name.startswith("fc.") else 0.1)
    assert scales[id(model.fc.weight)] == (1.0, 0.1) and scales[id(model.tail[0].weight)] == (0.1, 0.1)


def test_both_classifiers_of_a_distilled_network_learn_at_the_full_rate():
    layers = {"stem": torch.nn.Linear(4, 8), "norm": torch.nn.LayerNorm(8)}
    heads = {name: torch.nn.Linear(8, 5) for name in ("head", "head_dist")}
    scales = lr_scales(torch.nn.ModuleDict(layers | heads), 0.1)
    assert {name for name, scale in scales.items() if scale == 1} == {
        f"{head}.{tensor}" for head in heads for tensor in ("weight", "bias")
    }


def test_a_step_moves_the_backbone_by_the_ratio():
    def moved(ratio):
        torch.manual_seed(0)
        model = net().eval()
        before = copy.deepcopy(model.state_dict())
        cfg = load_cfg(None, ["OPTIM.BACKBONE_LR_RATIO", str(ratio), "OPTIM.WEIGHT_DECAY", "0.0"])
        stepper = stepper_of(model)
        object.__setattr__(stepper, "optimizer", build_optimizer(cfg, model))
        stepper.step(make_input((12, 3, 8, 8), 3).double(), torch.eye(5).double()[torch.arange(12) % 5], lr=0.1)
        return {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}

    whole, tenth = moved(1.0), moved(0.1)
    for name in whole:
        factor = 1.0 if name.startswith("fc.") else 0.1
        assert torch.allclose(tenth[name], factor * whole[name], rtol=1e-9, atol=1e-15), name


def save_with_classes(source, target, num_classes):
    """Save the weights of a checkpoint as those of a network of fewer classes."""
    weights = torch.load(source, weights_only=True)["model_state"]
    short = {name: value[:num_classes] if name.startswith("head.fc.") else value for name, value in weights.items()}
    torch.save(short, target)
    return weights


def test_a_run_starts_from_another_class_count_resumes_and_refuses_another_freezing(tmp_path):
    train(tiny_cfg(tmp_path / "first", OPTIM__MAX_EPOCH=1))
    old = save_with_classes(last_path(tmp_path / "first"), tmp_path / "seven.pyth", 7)
    keys = {"TRAIN__WEIGHTS": tmp_path / "seven.pyth", "TRAIN__FROZEN": ["stem", "s1"], "OPTIM__BACKBONE_LR_RATIO": 0.1}
    train(tiny_cfg(tmp_path / "second", OPTIM__MAX_EPOCH=1, **keys))
    train(tiny_cfg(tmp_path / "second", OPTIM__MAX_EPOCH=2, **keys))
    new = torch.load(last_path(tmp_path / "second"), weights_only=True)
    assert new["position"]["epoch"] == 2 and new["model_state"]["head.fc.weight"].shape == (10, 16)
    for kind in ("model_state", "ema_state"):
        same = {name.split(".")[0] for name, value in new[kind].items() if torch.equal(value, old[name])}
        moved = {name.split(".")[0] for name, value in new[kind].items() if not torch.equal(value, old[name])}
        assert (same - {"s2"}, moved) == ({"stem", "s1"}, {"s2", "head"}), kind
    keys["TRAIN__FROZEN"] = ["stem"]
    with pytest.raises(ValueError, match=r"TRAIN.FROZEN \['stem', 's1'\]"):
        train(tiny_cfg(tmp_path / "second", **keys))


def write_photographs(folder, size):
    """Cut classes out of photographs: left parts to train on, right parts, which share no pixel, to evaluate."""
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg"):
        image, rng = load(name, (640, 400)), np.random.default_rng(0)
        for split, first, last, count in (("train", 0, 360, 16), ("val", 400, 640, 8)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                left, top = rng.integers(first, last - size), rng.integers(0, 400 - size)
                part = image.crop((left, top, left + size, top + size))
                part.save(folder / split / name / f"{number}.jpg", quality=90)


@needs_lite0
def test_photographs_are_learnt_from_efficientnet_lite0(tmp_path):
    write_photographs(tmp_path / "photos", 160)
    words = {"DATA_DIR": tmp_path / "photos", "OUT_DIR": tmp_path / "run", "DATA.VAL_FRACTION": 0}
    words |= {
        "TRAIN.IM_SIZE": 128,
        "TEST.IM_SIZE": 144,
        "OPTIM.MAX_EPOCH": 2,
        "DEVICE": "cpu",
        "LOG.TENSORBOARD": "off",
    }
    result = train(load_cfg(str(ROOT / "configs/finetune/photos.yaml"), overrides(words)))
    assert result.top1_err <= 25.0, "chance is 80 %"


def test_weights_that_are_not_there_are_named_before_data_is_looked_for(tmp_path):
    keys = {"TRAIN__DATASET": "imagenet", "DATA_DIR": str(tmp_path / "no data"), "TRAIN__WEIGHTS": "missing.pyth"}
    with pytest.raises(ValueError, match=r"TRAIN.WEIGHTS.*missing.pyth"):
        train(tiny_cfg(tmp_path, **keys))
