"""MODEL_ZOO.md is what the records say, the records are what the configs build, and `verify` sees what is not."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import pycls.engine
from pycls.commands.zoo import main
from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.zoo import actions
from pycls.zoo.measure import measure
from pycls.zoo.page import GROUPS, PAGE, fill_sections, page
from pycls.zoo.records import COUNTS, MEASURED, Entry, find_entry, load_counts, load_entries, load_measurements
from pycls.zoo.verdict import Check
from pycls.zoo.verify import check_counts, recorded_errors
from tests.helpers.model_records import load_record
from tests.helpers.paths import ROOT

DIGITS = "configs/quickstart/digits.yaml"
CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml"))


def test_the_page_is_what_the_records_say():
    assert (ROOT / PAGE).read_text() == page(ROOT), "run python tools/model_zoo.py"


def test_every_config_is_counted():
    assert sorted(load_counts(ROOT)) == CONFIGS, "run python tools/model_zoo.py"


# Model, FLOPS (B), params (M), acts (M), batch size, inference (ms), training (h), top-1 error (%).
PYTORCH_CLS = """
ResNet-50 4.1 22.6 11.1 256 53 22.5 23.46
ResNet-101 7.8 44.6 16.2 256 90 35.4 21.60
ResNet-152 11.5 60.1 22.5 256 53 38.75 21.08
EfficientNet-B0 0.4 5.3 6.7 256 34 13.64 25.37
EfficientNet-B1 0.7 7.8 10.9 256 52 25.65 24.25
"""


def test_the_table_of_pytorch_cls_is_quoted_as_it_stands():
    keys = ("flops_B", "params_M", "acts_M", "batch_size", "infer_ms", "train_hr", "top1_err")
    quoted = {entry.name: [entry.published.get(key) for key in keys] for entry in load_entries(ROOT, "pytorch_cls")}
    assert quoted.pop("EfficientNet-B3")[-1] == 22.85
    assert quoted == {name: [*map(float, rest)] for name, *rest in map(str.split, PYTORCH_CLS.split("\n")[1:-1])}
    lines = (ROOT / PAGE).read_text().splitlines()
    (row,) = [line for line in lines if line.startswith("| ResNet-152 |") and " 60.1 |" in line]
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2:12] == ["11.5", "11.5", "60.1", "60.2", "22.5", "22.8", "256", "53", "38.75", "21.08"]


def test_the_table_of_pycls_is_quoted_as_it_stands():
    """Against the values recorded of its page; weights by the number of their training."""
    records = {name: each for name, each in load_record("pycls_models.json").items() if "published_top1_err" in each}
    rows = load_entries(ROOT, "pycls")
    assert len(rows) == len(records) == 36
    for entry in rows:
        assert entry.published["top1_err"] == records[entry.config.removeprefix("configs/")]["published_top1_err"]
        assert Path(entry.weights).stem == Path(entry.config).stem


@pytest.fixture
def other_root(tmp_path):
    """Return a copy of one config and of the records."""
    for folder in ("configs/quickstart", "pycls/zoo/records"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_verify_sees_a_count_that_is_wrong(other_root):
    entry = Entry("digits", "configs/quickstart/digits.yaml", {"params_M": 0.1})
    cfg = load_cfg(str(ROOT / entry.config))
    assert {check.verdict for check in check_counts(other_root, entry, cfg)} == {"ok"}
    counts = load_counts(other_root)
    counts[entry.config]["macs"]["params"] += 1
    (other_root / COUNTS).write_text(json.dumps(counts))
    (wrong,) = [check for check in check_counts(other_root, entry, cfg) if check.is_wrong]
    assert str(wrong).split() == ["params", "78,043", "78,042", "exact", "differs"]
    twice = load_cfg(str(ROOT / entry.config), ["TRAIN.IM_SIZE", "64"])  # a network of its own is not the row's
    assert [check.column for check in check_counts(ROOT, entry, twice) if check.is_wrong] == ["flops", "acts"]


@pytest.mark.parametrize(("value", "verdict"), [(0.078, "ok"), (0.0781, "differs")])
def test_a_published_count_is_compared_as_far_as_it_is_printed(value, verdict):
    """The network has 78,042 parameters."""
    entry, cfg = Entry("digits", DIGITS, {"params_M": value, "acts_M": 7}, known={"acts_M": "a slip"}), load_cfg(DIGITS)
    *_, params, acts = check_counts(ROOT, entry, cfg)
    assert params.verdict == verdict
    assert acts.verdict == "not compared" and str(acts).endswith("not compared: a slip")


def test_every_published_count_is_ours_or_known_not_to_be():
    """In the convention of its table: what differs without a word would end `verify` with 1."""
    counts = load_counts(ROOT)
    conventions = {"lip": "ptflops", "torchvision": "thop"}
    units = {"flops_B": ("flops", 1e9), "params_M": ("params", 1e6), "acts_M": ("acts", 1e6)}
    for group in GROUPS:
        for entry in load_entries(ROOT, group):
            for what in units.keys() & entry.published.keys() if entry.config else ():
                (key, unit), value = units[what], entry.published[what]
                ours = counts[entry.config][conventions.get(group, "macs")][key] / unit
                differs = round(ours, len(str(value).partition(".")[2])) != value
                assert differs == (what in entry.known), f"{group} {entry.name} {what}: {value}, {ours}"


def test_an_error_rate_may_differ_by_a_tenth_of_a_point():
    assert Check("top-1 error (%)", 23.2, 23.29, 0.1, 3).verdict == "ok"
    assert Check("top-1 error (%)", 23.2, 23.31, 0.1, 3).verdict == "differs"
    assert Check("top-1 error (%)", None, 23.31, 0.1, 3).verdict == "not compared"
    assert "23.312 " in str(Check("top-1 error (%)", 23.2, 23.3123456789012345, 0.1, 3)), "readable figures"


QUICK = ["PREC_TIME.NUM_ITER", "1", "PREC_TIME.WARMUP_ITER", "0"]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Return a file of weights for the digits and the errors that they have."""
    folder = tmp_path_factory.mktemp("untrained")
    cfg = load_cfg(str(ROOT / DIGITS), ["OUT_DIR", str(folder), "TEST.WEIGHTS", str(folder / "untrained.pth")])
    torch.manual_seed(0)
    torch.save(build_model(cfg).state_dict(), cfg.TEST.WEIGHTS)
    result = pycls.engine.test(cfg)
    return cfg.TEST.WEIGHTS, result.top1_err, result.top5_err


@pytest.fixture
def verified(other_root, capfd, monkeypatch):
    """Return a function that runs `pycls zoo verify` on a copy of the records: exit code, lines printed."""

    def run(*words):
        monkeypatch.setattr(actions.act_on_words, "__defaults__", (other_root,))
        code = main("pycls zoo", ["verify", *words, *QUICK])
        return code, capfd.readouterr().out.splitlines()

    return run


@pytest.mark.parametrize(("off", "code", "verdict"), [(0.09, 0, "ok"), (-0.11, 1, "differs")])
def test_the_command_ends_with_a_verdict_on_the_errors(untrained, verified, other_root, off, code, verdict):
    weights, top1, top5 = untrained
    recorded = json.loads((other_root / MEASURED).read_text())
    row = next(each for each in recorded if (each["config"], each["what"]) == (DIGITS, "top1_err"))
    row["value"] = top1 + off
    rows = [row, row | {"what": "top5_err", "value": top5}]
    (other_root / MEASURED).write_text(json.dumps(rows))
    found, lines = verified(DIGITS, "TEST.WEIGHTS", weights)
    assert found == code
    (line,) = [line for line in lines if line.startswith("top-1 error")]
    assert line.split()[3:] == [f"{top1 + off:.3f}", f"{top1:.3f}", "0.1", verdict]
    assert lines[-1].startswith("Verdict: differs in top-1 error (%);" if code else "Verdict: ok, 5 columns agree;")


def test_an_error_that_is_asked_for_and_cannot_be_measured_is_no_success(verified, tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        verified(DIGITS, "TEST.WEIGHTS", str(tmp_path / "gone.pyth"))
    assert ended.value.code == 2 and "gone.pyth" in capfd.readouterr().err


def test_verify_without_data_says_why_there_is_no_error(monkeypatch, capfd):
    monkeypatch.delenv("PYCLS_DATA_DIR", raising=False)
    assert main("pycls zoo", ["verify", "R-56", *QUICK]) == 0
    *_, time, top1, top5, verdict = capfd.readouterr().out.splitlines()
    assert time.startswith("infer 64 images (ms)") and "not compared" in time
    assert "not measured" in top1 and "DATA_DIR" in top1 and "DATA_DIR" in top5
    assert verdict.startswith("Verdict: ok, 3 columns agree; not compared: infer 64 images (ms), top-1 error (%)")


def test_errors_of_other_published_weights_are_compared_with_theirs():
    entry = find_entry(ROOT, GROUPS, "configs/torchvision/resnet50.yaml", [])
    assert recorded_errors(ROOT, entry, entry.weights) == {"top1_err": 23.87, "top5_err": 7.138}
    second = recorded_errors(ROOT, entry, "torchvision://resnet50/IMAGENET1K_V2")
    assert second == pytest.approx({"top1_err": 19.142, "top5_err": 4.566})
    assert recorded_errors(ROOT, entry, "runs/mine")["top1_err"] == 23.87


def test_a_name_of_several_rows_is_the_first_of_the_page():
    counts = load_counts(ROOT)
    assert (
        find_entry(ROOT, GROUPS, "ResNet-50", counts).config == "configs/dds_baselines/resnet/R-50-1x64d_dds_8gpu.yaml"
    )
    assert find_entry(ROOT, GROUPS, "R-50", counts).config == "configs/baselines/R-50.yaml"
    assert find_entry(ROOT, GROUPS, "configs/cutmix/R-50.yaml", counts).published["top1_err"] == 23.68


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
