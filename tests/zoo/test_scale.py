"""Scaled configs against pycls's (records/scaler.json), and the file that scaling writes."""

import subprocess
import sys

import pytest

from pycls.core.config import load_cfg
from pycls.zoo.scale import scale, scaled_cfg
from tests.helpers.model_records import load_record
from tests.helpers.paths import CONFIGS

NETWORKS = load_record("scaler.json")["networks"]
R_50 = "dds_baselines/resnet/R-50-1x64d_dds_8gpu.yaml"
SNAPPED_BACK = [(R_50, "dwr"), (R_50, "w")]  # where pycls's unscaled groups undo the scaling of widths


def load(case_config, kind, factor, **overrides):
    words = {"MODEL.SCALING_TYPE": kind, "MODEL.SCALING_FACTOR": factor} | overrides
    return load_cfg(str(CONFIGS / case_config), [str(word) for pair in words.items() for word in pair])


def network_id(case):
    return f"{case['config'].split('/')[-1]}-{case['type']}-{case['factor']}"


@pytest.mark.parametrize("case", NETWORKS, ids=network_id)
def test_networks_are_those_of_pycls(case):
    scaled = scaled_cfg(load(case["config"], case["type"], case["factor"]))
    section = "ANYNET" if "ANYNET" in case else "EN"
    wanted = dict(case[section])
    if (case["config"], case["type"]) in SNAPPED_BACK:
        assert wanted.pop("WIDTHS") != scaled.ANYNET.WIDTHS and wanted.pop("GROUP_WS") != scaled.ANYNET.GROUP_WS
    assert case["MODEL.TYPE"] == scaled.MODEL.TYPE
    assert {name: scaled[section][name] for name in wanted} == wanted
    assert case["im_sizes"] == [scaled.TRAIN.IM_SIZE, scaled.TEST.IM_SIZE]


def test_the_written_file_is_the_network_and_is_not_scaled_again(tmp_path):
    cfg = load("dds_baselines/regnety/RegNetY-4.0GF_dds_8gpu.yaml", "d1_w8_g8_r1", 4.0, OUT_DIR=tmp_path / "new")
    text = scale(cfg)
    assert "3,973,301,344 -> 15,608,249,240 (3.93x)" in text  # pycls's counts
    written = tmp_path / "new/config.yaml"
    assert written.read_text().startswith("# regnet scaled by d1_w8_g8_r1 x 4\n")
    again = load_cfg(str(written))
    assert again == scaled_cfg(cfg) == scaled_cfg(again)
    with pytest.raises(ValueError, match=r"config\.yaml is there already"):
        scale(cfg)


def test_depth_alone_leaves_an_odd_network_as_it_is():
    keys = ["MODEL.TYPE", "anynet", "ANYNET.DEPTHS", "[1, 2]", "ANYNET.WIDTHS", "[12, 20]"]
    keys += ["ANYNET.STRIDES", "[2, 2]", "ANYNET.GROUP_WS", "[3, 5]", "TRAIN.IM_SIZE", "33"]
    scaled = scaled_cfg(load_cfg(None, [*keys, "MODEL.SCALING_TYPE", "d", "MODEL.SCALING_FACTOR", "2"]))
    assert (scaled.ANYNET.DEPTHS, scaled.ANYNET.WIDTHS, scaled.ANYNET.GROUP_WS) == ([2, 4], [12, 20], [3, 5])
    assert scaled.TRAIN.IM_SIZE == 33


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"MODEL\.SCALING_TYPE is empty"),
        (["MODEL.SCALING_TYPE", "w", "ANYNET.WIDTHS", "[64]"], r"ANYNET\.WIDTHS has 1 values but ANYNET\.DEPTHS has 4"),
    ],
)
def test_mistakes_write_nothing(tmp_path, words, message):
    with pytest.raises(ValueError, match=message):
        scale(load_cfg(str(CONFIGS / R_50), [*words, "OUT_DIR", str(tmp_path / "new")]))
    assert not (tmp_path / "new").exists()


def test_the_reached_factor_is_told_where_rounding_moves_it(tmp_path):
    text = scale(load("dds_baselines/regnetx/RegNetX-400MF_dds_8gpu.yaml", "d1_w8_g8_r1", 16.0, OUT_DIR=tmp_path))
    assert "397,678,568 -> 5,741,713,384 (14.44x)" in text and "14.44x instead of 16x" in text  # pycls's counts


def test_families_without_rules_are_refused():
    with pytest.raises(ValueError, match=r"MODEL.TYPE.*unknown choice 'vit' \(choices: anynet, effnet, regnet\)"):
        scaled_cfg(load("vitconv_baselines/vit/ViT-P-1.0GF_adamw_8gpus.yaml", "d", 2.0))


def test_training_with_a_scaling_type_is_refused(tmp_path):
    from pycls.engine.checks import check_supported

    with pytest.raises(ValueError, match=r"MODEL\.SCALING_TYPE.*pycls scale writes"):
        check_supported(load(R_50, "dwr", 2.0))


def test_run_net_scales(tmp_path):
    words = ["--mode", "scale", "--cfg", str(CONFIGS / R_50), "MODEL.SCALING_TYPE", "r", "MODEL.SCALING_FACTOR", "2"]
    command = [sys.executable, str(CONFIGS.parent / "tools/run_net.py"), *words, "OUT_DIR", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and "pixels: 224 -> 316" in done.stdout, done.stderr
    assert load_cfg(str(tmp_path / "config.yaml")).TRAIN.IM_SIZE == 316
