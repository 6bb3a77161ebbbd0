"""A network knows its config: `load_weights` compares it with that in a file; words of one meaning agree."""

import pytest
import torch

import pycls.models
from pycls.core import weights
from pycls.core.checkpoint import load_weights
from pycls.core.config import dump_cfg
from pycls.core.weights import sources
from pycls.engine.identity import network_differences
from pycls.models import build_model
from tests.helpers.model_records import cfg_of
from tests.models.test_model_errors import ANYNET, EFFNET, MOBILENET

IDML = {"MODEL.HEAD": "introspective", "IDML.WIDTH": 4}


def written(tmp_path, keys):
    cfg = cfg_of(keys)
    torch.manual_seed(0)
    model, path = build_model(cfg), tmp_path / "best.pyth"
    torch.save({"model_state": model.state_dict(), "cfg": dump_cfg(cfg), "pixels": {}}, path)
    return path


@pytest.mark.parametrize(
    "other",
    [
        {"BN.EPS": 1e-3},
        {"MODEL.ACTIVATION_FUN": "silu"},
        {"MODEL.BLURPOOL": True},
        {"ANYNET.STEM_TYPE": "res_stem_cifar"},
    ],
)
def test_the_config_in_a_file_is_compared_by_the_library_call(tmp_path, other):
    """All of them have the same tensors, and computed otherwise in silence."""
    path, model = (
        written(tmp_path, ANYNET | {"ANYNET.STEM_TYPE": "simple_stem_in"}),
        build_model(cfg_of(ANYNET | other)),
    )
    before = model.stem.conv.weight.clone()
    ((key, value),) = other.items()
    with pytest.raises(
        ValueError, match=rf"best.pyth: its network has {key} .*, this config says {value}; .*partial=True"
    ):
        load_weights(model, path)
    assert torch.equal(model.stem.conv.weight, before), "left alone"
    report = load_weights(model, path, partial=True)
    assert f"Fits, but means another network: its network has {key}" in report.left_out()[-1]


@pytest.mark.parametrize("other", [{}, {"MODEL.NUM_CLASSES": 3}, {"DATA_LOADER.CHANNELS": 4}, IDML])
def test_another_classifier_or_other_channels_are_welcome(tmp_path, other):
    report = load_weights(build_model(cfg_of(ANYNET | other)), written(tmp_path, ANYNET))
    assert report.other_network == "" and report.matched


@pytest.mark.parametrize(
    ("keys", "theirs", "ours"),
    [
        (EFFNET, {"MODEL.ACTIVATION_FUN": "swish"}, {"MODEL.ACTIVATION_FUN": "silu"}),
        (MOBILENET, {"MB.STEM_ACT": "swish"}, {"MB.STEM_ACT": "hardswish"}),
        (MOBILENET, {"MB.HEAD_ACTS": ["swish"]}, {"MB.HEAD_ACTS": ["hardswish"]}),
    ],
)
def test_two_names_of_one_activation_are_no_difference(keys, theirs, ours):
    saved = {"cfg": dump_cfg(cfg_of(keys | theirs)), "pixels": {}}
    assert network_differences(saved, cfg_of(keys | ours), "a.pyth") == []
    assert network_differences(saved, cfg_of(keys | dict.fromkeys(theirs, "relu") | {"MB.HEAD_ACTS": ["relu"]}), "a")


def test_published_weights_are_not_those_of_a_changed_network(tmp_path, monkeypatch):
    path = tmp_path / "weights.pyth"
    state = pycls.models.regnetx("200MF").state_dict()
    torch.save({"model_state": state, "cfg": "MODEL: {TYPE: regnet}\nBN: {EPS: 1.0e-05}\n"}, path)
    monkeypatch.setattr(sources, "download", lambda url, cache_dir: path)
    with pytest.raises(ValueError, match=r"its network has BN.EPS 1e-05, this config says 0.001"):
        pycls.models.regnetx("200MF", pretrained=True, cfg_list=("BN.EPS", 1e-3))


@pytest.mark.parametrize("state", [lambda tensors: tensors, lambda tensors: {"model_state": tensors}])
def test_a_file_without_a_config_is_told(tmp_path, monkeypatch, state):
    """Nothing tells how a network computes whose tensors have our own names."""
    warnings = []
    monkeypatch.setattr(weights.logger, "warning", lambda text, *words: warnings.append(text % words))
    model, path = build_model(cfg_of(ANYNET)), tmp_path / "stripped.pth"
    torch.save(state(model.state_dict()), path)
    load_weights(build_model(cfg_of(ANYNET | {"BN.EPS": 1e-3})), path)
    (warning,) = warnings
    assert warning.startswith(f"{path}: holds no config, so nothing tells whether its network computes the same ")
    assert ("BGR" in warning) == ("model_state" in torch.load(path)), "which turned the stem round"
