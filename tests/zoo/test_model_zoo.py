"""MODEL_ZOO.md is what the records say, the records are what the configs build, and `verify` sees what is not."""

import json
import shutil

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.zoo.measure import measure
from pycls.zoo.page import PAGE, fill_sections, page
from pycls.zoo.records import COUNTS, Entry, find_entry, load_counts, load_entries, load_measurements
from pycls.zoo.verify import Check, check_counts, check_error, verify
from tests.helpers.paths import ROOT

CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml"))


def test_the_page_is_what_the_records_say():
    assert (ROOT / PAGE).read_text() == page(ROOT), "run python tools/model_zoo.py"


def test_every_config_is_counted():
    assert sorted(load_counts(ROOT)) == CONFIGS, "run python tools/model_zoo.py"


def test_published_pycls_counts_round_to_ours():
    rows = [(entry.published, load_counts(ROOT)[entry.config]["macs"]) for entry in load_entries(ROOT, "pycls")]
    assert len(rows) == 36
    for published, ours in rows:
        assert published["flops_B"] == round(ours["flops"] / 1e9, 1)
        assert published["params_M"] == round(ours["params"] / 1e6, 1)
        assert published["acts_M"] == round(ours["acts"] / 1e6, 1)


@pytest.fixture
def other_root(tmp_path):
    """Return a copy of one config and of the records."""
    for folder in ("configs/quickstart", "pycls/zoo/records"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_verify_sees_a_count_that_is_wrong(other_root):
    entry = Entry("digits", "configs/quickstart/digits.yaml", {"params_M": 0.1})
    assert not any(check.is_wrong for check in check_counts(other_root, entry))
    counts = load_counts(other_root)
    counts[entry.config]["macs"]["params"] += 1
    (other_root / COUNTS).write_text(json.dumps(counts))
    wrong = [check for check in check_counts(other_root, entry) if check.is_wrong]
    assert [check.what for check in wrong] == ["params"]
    assert "DIFFERS" in str(wrong[0])


def test_an_error_rate_may_differ_by_a_tenth_of_a_point():
    assert not Check("top-1 error (%)", 23.2, 23.29, tolerance=0.1).is_wrong
    assert Check("top-1 error (%)", 23.2, 23.31, tolerance=0.1).is_wrong
    assert not Check("top-1 error (%)", None, 23.31, tolerance=0.1).is_wrong


def test_verify_sees_weights_that_do_not_reach_the_recorded_error(tmp_path):
    config = "configs/quickstart/digits.yaml"
    cfg = load_cfg(str(ROOT / config), ["OUT_DIR", str(tmp_path), "TEST.WEIGHTS", str(tmp_path / "untrained.pth")])
    torch.manual_seed(0)
    torch.save(build_model(cfg).state_dict(), tmp_path / "untrained.pth")
    top1, top5 = check_error(ROOT, Entry("digits", config), cfg)
    assert top1.recorded == 0.85 and top1.is_wrong and 50 < top1.now <= 100
    assert top5.recorded is None and not top5.is_wrong and 0 < top5.now < top1.now


def test_verify_without_data_says_why_there_is_no_error(monkeypatch):
    monkeypatch.delenv("PYCLS_DATA_DIR", raising=False)
    checks = verify(ROOT, "R-56", ["PREC_TIME.NUM_ITER", "1", "PREC_TIME.WARMUP_ITER", "0"], str)
    assert [check.what for check in checks] == ["flops", "params", "acts", "infer 64 images (ms)", "top-1 error (%)"]
    assert checks[3].now > 0 and "DATA_DIR" in checks[4].note


def test_a_time_measured_again_takes_the_place_of_the_old_one(other_root):
    counts = {"configs/quickstart/digits.yaml": load_counts(ROOT)["configs/quickstart/digits.yaml"]}
    (other_root / COUNTS).write_text(json.dumps(counts))
    before = load_measurements(other_root)
    for _ in range(2):
        new = measure(other_root, "digits", ["PREC_TIME.NUM_ITER", "3", "PREC_TIME.WARMUP_ITER", "0"])
    assert new.what == "infer_ms" and new.value > 0 and "of 3 runs" in new.spread
    assert load_measurements(other_root) == [*before, new]


def test_an_unknown_network_gets_the_nearest_name():
    with pytest.raises(ValueError, match="did you mean 'RegNetX-400MF'"):
        find_entry(ROOT, ["pycls"], "RegNetX400MF", [])


def test_missing_markers_are_an_error():
    with pytest.raises(ValueError, match="markers of the table 'pycls'"):
        fill_sections("# Model zoo", {"pycls": "table"})
