"""The config tree: pycls's defaults, clear errors, faithful round trips."""

import json
import warnings

import pytest
import torch

from pycls.core.config import diff_cfg, dump_cfg, flatten, known_choices, load_cfg, load_cfg_text
from pycls.core.registry import pick
from tests.helpers.paths import ROOT

PYCLS_DEFAULTS = json.loads((ROOT / "tests/records/pycls_defaults.json").read_text())


def test_every_key_of_pycls_is_there_with_its_default():
    ours = dict(flatten(load_cfg(None)))
    assert {key: ours[key] for key in PYCLS_DEFAULTS} == PYCLS_DEFAULTS


def test_the_tree_is_frozen_and_not_shared():
    first, second = load_cfg(None), load_cfg(None, ["OPTIM.BASE_LR", "0.5"])
    assert first.OPTIM.BASE_LR == 0.1 and second.OPTIM.BASE_LR == 0.5
    with pytest.raises(AttributeError):
        first.OPTIM.BASE_LR = 1.0


def test_file_then_overrides(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("OPTIM:\n  BASE_LR: 1\n  WEIGHT_DECAY: 5e-5\n  STEPS: [0, 3]\nOUT_DIR: .\n")
    cfg = load_cfg(str(path), ["OPTIM.STEPS", "[0, 7]", "OUT_DIR", "1e5", "TRAIN.CROP_AREA", "(0.5, 1)"])
    assert cfg.OPTIM.BASE_LR == 1.0 and isinstance(cfg.OPTIM.BASE_LR, float)
    assert cfg.OPTIM.WEIGHT_DECAY == 5e-5  # PyYAML reads 5e-5 as text
    assert cfg.OPTIM.STEPS == [0, 7] and cfg.OUT_DIR == "1e5" and cfg.TRAIN.CROP_AREA == [0.5, 1]


@pytest.mark.parametrize(("word", "value"), [("auto", "auto"), ("True", True), ("False", False), ("null", False)])
def test_a_switch_that_may_say_auto(word, value):
    cfg = load_cfg(None, ["TRAIN.CHANNELS_LAST", "auto", "TRAIN.CHANNELS_LAST", word])
    for read in (cfg, load_cfg_text(dump_cfg(cfg), "dump")):
        assert value == read.TRAIN.CHANNELS_LAST and type(read.TRAIN.CHANNELS_LAST) is type(value)


def test_null_gives_the_default_back(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("OPTIM:\n  BASE_LR: 3.0\n")
    assert load_cfg(str(path), ["OPTIM.BASE_LR", "null"]).OPTIM.BASE_LR == 0.1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["OPTIM.BASELR", "1"], ["command line", "OPTIM.BASELR", "OPTIM.BASE_LR"]),
        (["TRAIN.BATCHSIZE", "1"], ["TRAIN.BATCHSIZE", "TRAIN.BATCH_SIZE"]),
        (["python", "1"], ["python"]),
        (["MODEL", "1"], ["MODEL", "section"]),
        (["MODEL.TYPE.X", "1"], ["MODEL.TYPE.X"]),
        (["NUM_GPUS"], ["KEY VALUE", "NUM_GPUS"]),
        (["NUM_GPUS", "1.0"], ["NUM_GPUS", "whole number", "1.0"]),
        (["NUM_GPUS", "True"], ["NUM_GPUS", "whole number"]),
        (["VERBOSE", "0"], ["VERBOSE", "True or False"]),
        (["VERBOSE", "auto"], ["VERBOSE", "True or False"]),
        (["TRAIN.CHANNELS_LAST", "on"], ["TRAIN.CHANNELS_LAST", "True, False or auto"]),
        (["OPTIM.BASE_LR", "fast"], ["OPTIM.BASE_LR", "number", "fast"]),
        (["ANYNET.DEPTHS", "3"], ["ANYNET.DEPTHS", "list"]),
        (["MODEL.TYPE", "regnett"], ["MODEL.TYPE", "regnett", "'regnet'"]),
        (["OPTIM.LR_POLICY", "cosine"], ["OPTIM.LR_POLICY", "'cos'"]),
        (["DATA_LOADER.BACKEND", "dali"], ["DATA_LOADER.BACKEND", "dali_"]),
        (["TRAIN.DATASET", "cifar"], ["TRAIN.DATASET", "cifar10"]),
        (["TRAIN.BATCH_SIZE", "100", "NUM_GPUS", "3"], ["TRAIN.BATCH_SIZE 100", "3 processes", "99"]),
        (["OPTIM.ACCUM_STEPS", "3"], ["TRAIN.BATCH_SIZE 128", "OPTIM.ACCUM_STEPS 3"]),
        (["OPTIM.LR_POLICY", "exp"], ["OPTIM.MIN_LR"]),
        (["OPTIM.LR_POLICY", "steps"], ["OPTIM.STEPS"]),
        (["OPTIM.STEPS", "[5, 10]"], ["OPTIM.STEPS", "0"]),
        (["OPTIM.MAX_EPOCH", "0"], ["OPTIM.MAX_EPOCH", "at least 1"]),
        (["OUT_DIR", "https://user:password@host/run"], ["OUT_DIR must be a folder of this machine"]),
        (["TRAIN.HFLIP", "1.5"], ["TRAIN.HFLIP", "0 and 1"]),
        (["TRAIN.CROP_AREA", "[1.0, 0.1]"], ["TRAIN.CROP_AREA"]),
    ],
)
def test_mistakes_are_one_line_that_helps(overrides, words):
    with pytest.raises(ValueError) as error:
        load_cfg(None, overrides)
    text = str(error.value)
    assert "\n" not in text
    assert all(word in text for word in words), text


def test_a_mistake_in_a_file_names_file_and_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("MODEL:\n  TYPE: resnet\n  DEPHT: 50\n")
    with pytest.raises(ValueError, match=r"run\.yaml:3: unknown key MODEL\.DEPHT, did you mean 'MODEL\.DEPTH'"):
        load_cfg(str(path))


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("OUT_DIR: 1.10", "OUT_DIR", "1.10"),
        ("OUT_DIR: 007", "OUT_DIR", "007"),
        ("DESC: no", "DESC", "no"),
        ("DESC: 2024_01_02", "DESC", "2024_01_02"),
        ("DESC: 'quoted: yes'", "DESC", "quoted: yes"),
        ("VERBOSE: off", "VERBOSE", False),
        ("LOG: {TENSORBOARD: off}", "LOG.TENSORBOARD", "off"),
        ("OPTIM: {BASE_LR: 1e-3}", "OPTIM.BASE_LR", 1e-3),
        ("OPTIM: {STEPS: [0, 30, 6e1]}", "OPTIM.STEPS", [0, 30, 60.0]),
        ("OPTIM: {BASE_LR: ~}", "OPTIM.BASE_LR", 0.1),
        ("OPTIM: {}", "OPTIM.BASE_LR", 0.1),
    ],
)
def test_values_are_read_as_written(tmp_path, text, key, value):
    (tmp_path / "a.yaml").write_text(text)
    assert dict(flatten(load_cfg(str(tmp_path / "a.yaml"))))[key] == value


@pytest.mark.parametrize(
    "text",
    ["OPTIM: {STEPS: [0, a]}", "OPTIM: {STEPS: [0, null]}", "DESC: !mine x", "OPTMI: {}", "TRAIN: {BATCH_SIZE: 0100}",
     "OPTIM: {BASE_LR: .nan}", "A: &a {X: 1}\nOPTIM:\n  <<: *a", "OPTIM: {WARMUP_FACTOR: -1}"],
)  # fmt: skip
def test_values_that_mean_nothing_are_one_line(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError) as error:
        load_cfg(str(tmp_path / "a.yaml"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"DESC: \xff\xfe")
    with pytest.raises(ValueError, match=r"a\.yaml: not a text file in UTF-8"):
        load_cfg(str(tmp_path / "a.yaml"))


BROKEN = (
    "MODEL: [",
    "- a\n- b\n",
    "MODEL:\n  DEPTH: 1\n  DEPTH: 2\n",
    "MODEL: {DEPTH: 1}\nMODEL.DEPTH: 2\n",
    "MODEL: 3\n",
)


@pytest.mark.parametrize("text", BROKEN)
def test_broken_files_are_one_line(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"run\.yaml") as error:
        load_cfg(str(path))
    assert "\n" not in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "R-50.yaml").write_text("")
    with pytest.raises(ValueError, match=r"R-5O\.yaml: no such config file, did you mean .*R-50\.yaml"):
        load_cfg(str(tmp_path / "R-5O.yaml"))


def test_old_keys_are_accepted_with_a_warning():
    with pytest.warns(UserWarning, match=r"PREC_TIME\.ENABLED.*time_net"):
        load_cfg(None, ["PREC_TIME.ENABLED", "True"])
    with pytest.warns(UserWarning, match=r"TRAIN\.MIXED_PRECISION"):
        assert load_cfg(None, ["TRAIN.AMP", "True"]).TRAIN.MIXED_PRECISION is True
    with pytest.warns(UserWarning, match="ACTIVATION_INPLACE"):
        load_cfg(None, ["MEM.RELU_INPLACE", "True"])


def test_dump_and_load_give_the_same_tree():
    cfg = load_cfg(None, ["OPTIM.STEPS", "[0, 5]", "DESC", "a: b # c", "OPTIM.WEIGHT_DECAY", "1e-5"])
    assert load_cfg_text(dump_cfg(cfg), "text") == cfg


def test_diff_shows_only_what_differs():
    assert diff_cfg(load_cfg(None, ["OPTIM.BASE_LR", "0.2"])) == {"OPTIM.BASE_LR": 0.2}


def test_outside_code_adds_a_model_by_one_assignment(monkeypatch):
    import pycls.models

    built = torch.nn.Linear(2, 3)
    monkeypatch.setitem(pycls.models.MODELS, "mine", lambda cfg: built)
    cfg = load_cfg(None, ["MODEL.TYPE", "mine"])
    assert "mine" in known_choices("MODEL.TYPE") and pycls.models.build_model(cfg) is built


def test_pick_names_the_key_and_the_nearest_choice():
    with pytest.raises(ValueError, match=r"OPTIM\.OPTIMIZER: unknown choice 'sdg', did you mean 'sgd'"):
        pick({"sgd": 1, "adam": 2}, "sdg", "OPTIM.OPTIMIZER")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_files_load_without_a_warning_and_have_a_header(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_cfg(str(path))
    text = path.read_text()
    assert text.startswith("#") and "tools/" in text, "a header says what it is and how to run it"
    assert len(text.splitlines()) <= 60


def test_workers_are_counted_unless_they_are_set(tmp_path):
    saved = tmp_path / "config.yaml"
    assert load_cfg(None).DATA_LOADER.AUTO_WORKERS
    saved.write_text(dump_cfg(load_cfg(None)))
    assert load_cfg(str(saved)).DATA_LOADER.AUTO_WORKERS
    given = load_cfg(str(saved), ["DATA_LOADER.NUM_WORKERS", "8"])
    assert not given.DATA_LOADER.AUTO_WORKERS
    saved.write_text(dump_cfg(given))
    assert not load_cfg(str(saved)).DATA_LOADER.AUTO_WORKERS


def test_there_is_one_channel_order():
    with pytest.raises(ValueError, match=r"CHANNEL_ORDER.*RGB"):
        load_cfg(None, ["DATA_LOADER.CHANNEL_ORDER", "BGR"])


@pytest.mark.parametrize(
    "words", [["DATA_LOADER.MEAN", "[0.5]"], ["DATA_LOADER.STD", "[1, 1, 127]"], ["DATA_LOADER.STD", "[0, 1, 1]"]]
)
def test_colors_are_three_shares(words):
    with pytest.raises(ValueError, match=rf"{words[0]} must be"):
        load_cfg(None, words)
