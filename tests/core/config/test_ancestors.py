"""Configs that pycls and pytorch-cls wrote mean here what they meant there, those of their first years too."""

import pytest
import yaml

from pycls.core.config import load_cfg, load_cfg_text, read_stored_cfg
from pycls.models import build_model
from tests.helpers.paths import CONFIGS
from tests.helpers.pytorch_cls import EN_B0, pytorch_cls_tree

EFFNET = "MODEL: {TYPE: effnet}\n"


def load(tmp_path, text, *words):
    """Return the config in a file and what was said of it."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.warns(UserWarning) as caught:
        cfg = load_cfg(str(tmp_path / "a.yaml"), words)
    return cfg, "; ".join(str(warning.message) for warning in caught)


# ---- what they need not say


@pytest.mark.parametrize(
    "mark",
    [
        "DATA_LOADER: {WORLD_SIZE: 8}",
        "DATA_LOADER: {USE_DALI: True, DALI_CPU: True, PCA_JITTER: False}",
        "RANDOM_OUT_DIR: True",
        "DETERMINSTIC: True",
    ],
)
def test_a_file_of_pytorch_cls_has_its_defaults(tmp_path, mark):
    cfg, said = load(tmp_path, EFFNET + mark)
    assert (cfg.MODEL.ACTIVATION_FUN, cfg.BN.USE_PRECISE_STATS, cfg.TRAIN.PCA_STD) == ("silu", False, 0.0)
    assert "is a key of pytorch-cls, whose files mean without saying so: MODEL.ACTIVATION_FUN silu, BN.USE" in said


def test_what_is_written_wins_over_its_defaults(tmp_path):
    more = "BN: {USE_PRECISE_STATS: True}\nDATA_LOADER: {PCA_JITTER: True, WORLD_SIZE: 1}\n"
    cfg, said = load(tmp_path, EFFNET + more, "MODEL.ACTIVATION_FUN", "relu")
    assert (cfg.MODEL.ACTIVATION_FUN, cfg.BN.USE_PRECISE_STATS, cfg.TRAIN.PCA_STD) == ("relu", True, 0.1)
    assert "whose files mean" not in said


def test_a_mark_on_the_command_line_is_no_mark_of_the_file(tmp_path):
    cfg, said = load(tmp_path, EFFNET, "DETERMINSTIC", "True")
    assert cfg.MODEL.ACTIVATION_FUN == "relu" and "effnet without MODEL.ACTIVATION_FUN gets relu" in said


@pytest.mark.parametrize("mark", ["MEM: {RELU_INPLACE: True}", "PORT: 10001", "PREC_TIME: {ENABLED: False}"])
def test_an_older_effnet_of_pycls_has_silu(tmp_path, mark):
    cfg, said = load(tmp_path, EFFNET + mark)
    assert (cfg.MODEL.ACTIVATION_FUN, cfg.BN.USE_PRECISE_STATS, cfg.TRAIN.PCA_STD) == ("silu", True, 0.1)
    assert "is a key of an older pycls, whose files mean without saying so: MODEL.ACTIVATION_FUN silu" in said


def test_other_networks_of_theirs_keep_relu(tmp_path):
    cfg, _ = load(tmp_path, "MODEL: {TYPE: resnet, DEPTH: 50}\nMEM: {RELU_INPLACE: True}\nRANDOM_OUT_DIR: False\n")
    assert cfg.MODEL.ACTIVATION_FUN == "relu" and cfg.RESNET.STRIDE_1X1


def test_the_shipped_file_of_pycls_is_left_alone(recwarn):
    assert load_cfg(str(CONFIGS / "dds_baselines/effnet/EN-B0_dds_8gpu.yaml")).MODEL.ACTIVATION_FUN == "silu"
    assert not recwarn.list


# ---- whole trees, as their runs leave them


@pytest.mark.parametrize(
    "sections",
    [
        {"MODEL": {"TYPE": "effnet"}, "EN": yaml.safe_load(EN_B0)["EN"]},
        {"MODEL": {"TYPE": "resnet", "DEPTH": 50}},
        {"MODEL": {"TYPE": "regnet"}, "ANYNET": {"STEM_TYPE": "plain_block", "BLOCK_TYPE": "plain_block"}},
    ],
)
def test_a_whole_tree_loads_as_a_file(tmp_path, sections):
    cfg, said = load(tmp_path, yaml.safe_dump(pytorch_cls_tree(**sections)))
    assert sections["MODEL"]["TYPE"] == cfg.MODEL.TYPE and cfg.MB.STEM_ACT == "relu"
    assert "DARTS.NAME" in said and "mean nothing here and are ignored (its networks are not here)" in said


def test_a_stem_that_pycls_could_not_build_is_an_error(tmp_path):
    (tmp_path / "a.yaml").write_text("MODEL: {TYPE: anynet}\nANYNET: {STEM_TYPE: plain_block}\n")
    with pytest.raises(ValueError, match=r"ANYNET\.STEM_TYPE: unknown choice 'plain_block'"):
        load_cfg(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize(
    ("backend", "antialias"), [("dali_cpu", True), ("dali_gpu", True), ("torch", True), ("custom", False)]
)
def test_a_checkpoint_was_shown_what_its_loader_shows(backend, antialias, recwarn):
    text = yaml.safe_dump(pytorch_cls_tree(MODEL={"TYPE": "effnet"}, DATA_LOADER={"BACKEND": backend}))
    assert load_cfg_text(text, "a.pyth", foreign=True).DATA_LOADER.ANTIALIAS is antialias
    assert load_cfg_text(text, "a.pyth", ["DATA_LOADER.ANTIALIAS", "False"], True).DATA_LOADER.ANTIALIAS is False


# ---- pycls's first years

OLD = """
MODEL: {TYPE: resnet, DEPTH: 50, NUM_CLASSES: 1000}
RESNET: {TRANS_FUN: bottleneck_transform, STRIDE_1X1: False, ZERO_INIT_FINAL_TRANSFORM_BN: True, ALT_TRANS_FUN: ''}
BN: {EPSILON: 1e-4, MOMENTUM: 0.2, WEIGHT_DECAY: 0.001}
VGG: {NUM_STAGES: 4, WS_MULT: 1.0}
UNINET: {BLOCK_TYPE: plain_block}
EN: {SE_ENABLED: False, SE_RATIO: 0.25}
OPTIM: {LR_POLICY: steps, STEPS: [0, 30], LR_MULS: [1, 0.1], MAX_EPOCH: 90}
TRAIN: {DATASET: imagenet, START_CHECKPOINT: "~/a.pyth"}
OUTPUT_DIR: runs/old
"""


def test_keys_of_its_first_years_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    cfg, said = load(tmp_path, OLD)
    assert (cfg.BN.EPS, cfg.BN.MOM, cfg.BN.ZERO_INIT_FINAL_GAMMA, cfg.RESNET.STRIDE_1X1) == (1e-4, 0.2, True, False)
    assert (cfg.BN.USE_CUSTOM_WEIGHT_DECAY, cfg.BN.CUSTOM_WEIGHT_DECAY) == (True, 0.001)
    assert (cfg.TRAIN.WEIGHTS, cfg.OUT_DIR, cfg.EN.SE_R) == ("/home/me/a.pyth", "runs/old", 0.0)
    assert "VGG.NUM_STAGES, VGG.WS_MULT, UNINET.BLOCK_TYPE" in said and "BN.EPSILON is called BN.EPS here" in said


def test_a_number_of_groups_is_a_width_of_groups(tmp_path):
    """ResNeXt-50 32x4d: bottlenecks of 128, 256, 512, 1024 channels in 32 groups."""
    anynet = "WIDTHS: [256, 512, 1024, 2048], BOT_MULS: [0.5, 0.5, 0.5, 0.5], NUM_GS: [32, 32, 32, 32]"
    text = f"MODEL: {{TYPE: anynet}}\nANYNET: {{DEPTHS: [3, 4, 6, 3], STRIDES: [1, 2, 2, 2], {anynet}}}\nMEM: {{}}\n"
    cfg, _ = load(tmp_path, text)
    assert cfg.ANYNET.GROUP_WS == [4, 8, 16, 32]
    (tmp_path / "a.yaml").write_text(text.replace("32, 32, 32, 32", "32, 32"))
    with pytest.raises(ValueError, match=r"a\.yaml:2: ANYNET\.NUM_GS: expected a number of groups for each of ANYNET"):
        load_cfg(str(tmp_path / "a.yaml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DATA_LOADER: {WORLD_SIZES: 8}", "unknown key DATA_LOADER.WORLD_SIZES"),
        ("RANDOM_OUT_DIR: True\nOPTIM: {BASELR: 1}", "unknown key OPTIM.BASELR, did you mean 'OPTIM.BASE_LR'"),
        ("RANDOM_OUT_DIR: True\nDART: {LAYERS: 3}", "unknown key DART.LAYERS"),
    ],
)
def test_a_slip_in_a_file_is_an_error_all_the_same(tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=words):
        load_cfg(str(tmp_path / "a.yaml"))


# ---- checkpoints of other programs, forks of theirs among them

FORK = """
MODEL: {TYPE: effnet, NUM_CLASSES: 5}
EN: {DEPTHS: [1], WIDTHS: [8], STRIDES: [1], EXP_RATIOS: [1], KERNELS: [3]}
NAS: {WIDTH: 16}
TASK: cls
TRAIN: {GRAY_PERCENTAGE: 0.0, IM_SIZE: many}
BN: {EPS: 0.002}
"""


def test_unknown_keys_of_a_fork_are_set_aside_in_one_line():
    with pytest.warns(UserWarning, match=r"set aside: a:4: unknown key NAS\.WIDTH.*; and 1 more|and 1 more") as caught:
        cfg = load_cfg_text(FORK, "a", foreign=True)
    assert len(caught) == 1 and "unknown key TASK" in str(caught[0].message)
    assert (cfg.MODEL.ACTIVATION_FUN, cfg.BN.EPS, cfg.TRAIN.IM_SIZE) == ("silu", 0.002, 224)
    assert build_model(cfg).head.fc.out_features == 5


def test_one_that_may_say_what_the_network_is_is_an_error():
    with pytest.raises(ValueError, match=r"a:2: unknown key MODEL\.LOGITS_TYPE"):
        load_cfg_text("MODEL:\n  LOGITS_TYPE: rbf\n", "a", foreign=True)
    with pytest.raises(ValueError, match=r"a:1: BN\.EPS expects a number, got small"):
        load_cfg_text("BN: {EPS: small}\n", "a", foreign=True)
    with pytest.raises(ValueError, match=r"unknown key NAS\.WIDTH: there is no section NAS"):
        load_cfg_text(FORK, "a")  # one of ours: a module of the user's has it


def test_all_that_can_be_read_is_read():
    stored = read_stored_cfg("MODEL: {TYPE: effnet, LOGITS_TYPE: rbf}\nBN: {EPS: small, MOM: 0.2}\n", "a", True)
    assert stored.cfg.BN.MOM == 0.2 and {"MODEL.TYPE", "BN.MOM"} <= stored.stated and "BN.EPS" not in stored.stated
    assert len(stored.left_out) == 2 and all(words.startswith("a:") for words in stored.left_out)
