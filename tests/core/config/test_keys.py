"""The declarations: complete, used for what they say, and printed for people."""

import importlib
import math

import pytest

from pycls.core.config import decides, dump_cfg, load_cfg, load_cfg_text
from pycls.core.config.defaults import declared_keys
from pycls.core.config.describe import allowed, describe, main, page
from pycls.core.config.key import DECIDES
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_tool

KEYS = declared_keys(outside=False)


@pytest.mark.parametrize("key", KEYS)
def test_everything_is_said_of_every_key(key):
    row = KEYS[key]
    assert row.comment and row.decides in DECIDES and allowed(row)
    is_word = isinstance(row.default, str) or row.items is str
    assert not isinstance(row.default, list) or row.items is not None
    has_least, has_most = (row.at_least, row.above) != (None, None), (row.at_most, row.below) != (None, None)
    assert is_word or isinstance(row.default, bool) or (has_least and has_most), "numbers have bounds on both sides"
    assert not row.table or row.choices
    assert not row.fixed or row.decides in ("training", "data")
    assert not row.every_type or row.decides == "network"


def test_choices_are_the_names_in_the_tables():
    for key, row in KEYS.items():
        if row.table:
            module, _, table = row.table.rpartition(".")
            names = set(getattr(importlib.import_module(module), table))
            assert names in (set(row.choices), set(row.choices) - {"", "auto", "center"}), key


def test_the_page_of_all_keys_is_current():
    page_file = ROOT / "docs/KEYS.md"
    assert page_file.read_text() == page(), "python -m pycls.core.config.describe > docs/KEYS.md"


def test_a_section_or_a_key_is_described(capsys):
    assert "BN.EPS 1.0e-05\n    epsilon of every batch norm\n    allowed: between 1e-12 and 1;" in describe(["BN"])
    assert main(["TRAIN.IM_SIZ"]) == 2
    assert "did you mean 'TRAIN.IM_SIZE'" in capsys.readouterr().err
    assert "pycls.core.config.describe" in run_tool("train_net.py", "--help").stdout


def test_a_key_that_nobody_declared_decides_nothing_that_is_known():
    with pytest.raises(KeyError):
        decides("MODEL.DEPHT")
    with pytest.raises(KeyError):
        decides("MINE.WIDTH")


# One value below, one above what a number may be; and what is no number. An outer bound that is allowed is no mistake.
def _out_of_range(row) -> list:
    if isinstance(row.default, bool) or row.items is str or isinstance(row.default, str):
        return []
    least, most = row.at_least if row.above is None else row.above, row.at_most if row.below is None else row.below
    below = [least - 1, -math.inf] + ([least] if row.above is not None else [])
    above = [2 * most + 1, math.inf, math.nan] + ([most] if row.below is not None else [])
    values = [value for value in (*below, *above) if value not in row.also]
    if not isinstance(row.default, list):
        return [value for value in values if isinstance(row.default, float) or isinstance(value, int)]
    size = row.counts[-1] if row.counts else 1
    wrong = [*values, True, "x", *([1.5] if row.items is int else []), *([[1]] if row.items is not list else [])]
    return [[[0, value] if row.items is list else value] * size for value in wrong]


@pytest.mark.parametrize("key", [key for key in KEYS if _out_of_range(KEYS[key])])
def test_a_number_out_of_range_is_one_line(key):
    for value in _out_of_range(KEYS[key]):
        text = str(value).replace("inf", "1e999").replace("nan", "(1e999-1e999)")
        with pytest.raises(ValueError) as error:
            load_cfg(None, [key, text])
        assert "\n" not in str(error.value) and key in str(error.value), (value, str(error.value))


@pytest.mark.parametrize("key", [key for key, row in KEYS.items() if row.counts])
def test_a_list_has_as_many_items_as_it_must(key):
    row = KEYS[key]
    with pytest.raises(ValueError, match=f"{key} must be"):
        load_cfg(None, [key, str([row.at_most] * (row.counts[-1] + 1))])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["OPTIM.MOMENTUM", "1.5"], "OPTIM.MOMENTUM must be at least 0 and below 1, got 1.5"),
        (["BN.MOM", "-1"], "BN.MOM must be between 0 and 1, got -1.0"),
        (["BN.EPS", "0"], "BN.EPS must be between 1e-12 and 1, got 0.0"),
        (["OPTIM.WARMUP_EPOCHS", "3", "OPTIM.MAX_EPOCH", "2"], "OPTIM.WARMUP_EPOCHS 3 must be at most OPTIM.MAX_EPOCH"),
        (["TRAIN.REPEATS", "100000"], "TRAIN.REPEATS must be at most 100, got 100000"),
        (["TRAIN.REPEATS", "9", "TRAIN.BATCH_SIZE", "8"], "TRAIN.REPEATS 9 is more than a batch holds"),
        (["BN.NUM_SAMPLES_PRECISE", "0"], "BN.NUM_SAMPLES_PRECISE must be at least 1, got 0; BN.USE_PRECISE_STATS"),
        (["DATA_LOADER.TIMEOUT_SEC", "1e-9"], "DATA_LOADER.TIMEOUT_SEC must be at least 0.1 or 0, got 1e-09"),
        (["PREC_TIME.NUM_ITER", "0"], "PREC_TIME.NUM_ITER must be at least 1, got 0"),
        (["TRAIN.COLOR_JITTER", "[0, 0, 0, 0.6]"], "TRAIN.COLOR_JITTER: hue, its fourth number, must be at most 0.5"),
        (["TRAIN.CROP_AREA", "[0.1, 2.0]"], r"TRAIN.CROP_AREA must be 2 numbers, each between 0.0001 and 1, got"),
        (["TRAIN.CROP_AREA", "[0.5, True]"], "TRAIN.CROP_AREA must be 2 numbers"),
        (["OPTIM.STEPS", "[0, True]"], "OPTIM.STEPS must be numbers"),
        (["TRAIN.IM_SIZE_SCHEDULE", "[0, 160]"], "TRAIN.IM_SIZE_SCHEDULE must be pairs of numbers"),
        (["TRAIN.FROZEN", "[1]"], "TRAIN.FROZEN must be words"),
        (["OPTIM.BASE_LR", "1" + "0" * 400], "OPTIM.BASE_LR expects a number"),
        (["RNG_SEED", str(2**63)], "RNG_SEED must be at least 0 and below 9,223,372,036,854,775,808"),
        (["OUT_DIR", ""], "OUT_DIR must be a folder"),
        (["OUT_DIR", " "], "OUT_DIR must be a folder"),
        (["DOWNLOAD_CACHE", ""], "DOWNLOAD_CACHE must be a folder"),
        (["CFG_DEST", "../../x.yaml"], "CFG_DEST must be the bare name of a file in OUT_DIR"),
        (["CFG_DEST", "/tmp/x.yaml"], "CFG_DEST must be the bare name"),
        (["CFG_DEST", "metrics.jsonl"], "CFG_DEST must be the bare name of a file in OUT_DIR that ends in .yaml"),
        (["CFG_DEST", ".."], "CFG_DEST must be the bare name"),
        (["CFG_DEST", ""], "CFG_DEST must be the bare name"),
        (["DATA_DIR", "a\nb"], "DATA_DIR must be a path without control characters"),
        (["VIT.STEM_TYPE", "convs"], "VIT.STEM_TYPE: unknown choice 'convs', did you mean 'conv'"),
        (["MB.ACTS", "[relu6]"], "MB.ACTS: unknown choice 'relu6'|MB.ACTS must be words|MB.ACTS expects"),
        (["DIST_BACKEND", "ncl"], "DIST_BACKEND: unknown choice 'ncl', did you mean 'nccl'"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(words, expected):
    with pytest.raises(ValueError, match=expected) as error:
        load_cfg(None, words)
    assert "\n" not in str(error.value)


def test_the_place_of_a_value_is_named(tmp_path):
    (tmp_path / "run.yaml").write_text("OPTIM:\n  MAX_EPOCH: 3\n  MOMENTUM: 1.5\n")
    with pytest.raises(ValueError, match=r"run\.yaml:3: OPTIM\.MOMENTUM must be at least 0 and below 1, got 1\.5$"):
        load_cfg(str(tmp_path / "run.yaml"))
    with pytest.raises(ValueError, match=r"^command line: OPTIM\.MOMENTUM must be"):
        load_cfg(str(tmp_path / "run.yaml"), ["OPTIM.MOMENTUM", "2"])
    assert load_cfg(str(tmp_path / "run.yaml"), ["OPTIM.MOMENTUM", "0.5"]).OPTIM.MOMENTUM == 0.5


def test_what_means_off_is_allowed_outside_of_the_range():
    cfg = load_cfg(None, ["DATA_LOADER.TIMEOUT_SEC", "0", "MODEL.FOCAL_ALPHA", "-1", "BN.USE_PRECISE_STATS", "False",
                          "BN.NUM_SAMPLES_PRECISE", "0"])  # fmt: skip
    assert cfg.DATA_LOADER.TIMEOUT_SEC == 0 and cfg.MODEL.FOCAL_ALPHA == -1


def test_a_stored_config_is_read_as_it_is_but_what_is_added_is_checked():
    assert load_cfg_text("OPTIM: {MOMENTUM: 1.5}\n", "a.pyth").OPTIM.MOMENTUM == 1.5
    with pytest.raises(ValueError, match=r"BN\.EPS must be between 1e-12"):
        load_cfg_text("OPTIM: {MOMENTUM: 1.5}\n", "a.pyth", ["BN.EPS", "-1"])


# What float32 turns into 0 or infinity, what would learn nothing, and what no machine could run.
@pytest.mark.parametrize(
    "words",
    [
        ("BN.EPS", "1e-320"),
        ("LN.EPS", "1e-320"),
        ("REGNET.BOT_MUL", "1e-320"),
        ("EN.EXP_RATIOS", "[1e-9]"),
        ("DATA_LOADER.STD", "[1e-320, 0.2, 0.2]"),
        ("TRAIN.CROP_AREA", "[1e-320, 1.0]"),
        ("TRAIN.CROP_ASPECT", "[1e-320, 1.0]"),
        ("DIST_TIMEOUT_MINUTES", "1e-9"),
        ("TRAIN.LABEL_SMOOTHING", "1"),
        ("OPTIM.ALPHA", "1"),
        ("OPTIM.DAMPENING", "1"),
        ("OPTIM.LOOKAHEAD_ALPHA", "0"),
        ("NUM_GPUS", "100000"),
        ("DATA_LOADER.NUM_WORKERS", "4096"),
        ("ANYNET.DEPTHS", "[10000]"),
        ("MODEL.SCALING_FACTOR", "5000"),
    ],
)
def test_a_value_that_could_not_work_is_refused(words):
    with pytest.raises(ValueError, match=f"^command line: {words[0]} must be"):
        load_cfg(None, words)


@pytest.mark.parametrize("key", ["MODEL.TYPE", "MODEL.DEPTH", "OPTIM.BASE_LR", "OPTIM.STEPS", "VERBOSE", "CFG_DEST"])
@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\x1b[31m", "\ud800", "9" * 5000, "0x" + "f" * 5000, "[" * 3000])
def test_whatever_is_written_the_error_is_one_short_line(key, value):
    with pytest.raises(ValueError, match=f"^command line: {key}") as error:
        load_cfg(None, [key, value])
    assert str(error.value).isprintable() and len(str(error.value)) < 500


def test_the_places_of_a_combination_are_named(tmp_path):
    (tmp_path / "run.yaml").write_text("OPTIM:\n  WARMUP_EPOCHS: 3\n")
    expected = r"run\.yaml:2, command line: OPTIM\.WARMUP_EPOCHS 3 must be at most OPTIM\.MAX_EPOCH, which is 2"
    with pytest.raises(ValueError, match=expected):
        load_cfg(str(tmp_path / "run.yaml"), ["OPTIM.MAX_EPOCH", "2"])
    with pytest.raises(ValueError, match=r"^command line: TRAIN\.BATCH_SIZE 128 does not .* OPTIM\.ACCUM_STEPS 3;"):
        load_cfg(None, ["OPTIM.ACCUM_STEPS", "3"])


def test_a_truth_value_where_text_belongs_is_text_that_can_be_stored(tmp_path):
    (tmp_path / "run.yaml").write_text("DESC: yes\nTRAIN:\n  FROZEN: [on]\n")
    cfg = load_cfg(str(tmp_path / "run.yaml"))
    assert load_cfg_text(dump_cfg(cfg), "again") == cfg and (cfg.DESC, cfg.TRAIN.FROZEN) == ("yes", ["on"])
