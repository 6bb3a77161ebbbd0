"""Made-up runs beside each other: figures, differences and spreads against numpy; what is odd, in one line each."""

import json
import subprocess
import sys

import numpy as np
import pytest

from pycls.core.config import dump_cfg, load_cfg
from pycls.run_comparison.comparison import compare
from pycls.run_comparison.figures import spread
from pycls.run_comparison.load_run import find_runs
from tests.helpers.html_page import HtmlPage
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_tool_here


def records(errors, max_epoch, ema=False):
    """Return the records of epochs with these test errors (percent)."""
    found = []
    for epoch, error in enumerate(errors, start=1):
        where = {"epoch": f"{epoch}/{max_epoch}", "time_epoch": 10.0}
        speed = {"images_per_sec": 100.0 * epoch, "lr": 0.1 / epoch, "loss": error / 10, "top1_err": error + 5}
        found.append({"_type": "train_iter", **where, "iter": "5/5", "loss": 99.0, "top1_err": 99.0})
        found.append({"_type": "train_epoch", **where, **speed})
        found.append({"_type": "test_epoch", **where, "loss": error / 20, "top1_err": error})
        if ema:
            found.append({"_type": "test_ema_epoch", **where, "loss": error / 30, "top1_err": error / 2})
    return found


def write_run(folder, errors, max_epoch=None, ema=False, **keys):
    """Write what a training leaves; `SECTION__KEY=value` are its settings."""
    folder.mkdir(parents=True)
    words = [str(word) for key, value in keys.items() for word in (key.replace("__", "."), value)]
    (folder / "config.yaml").write_text(dump_cfg(load_cfg(None, [*words, "OUT_DIR", str(folder)])))
    lines = [json.dumps(record) for record in records(errors, max_epoch or len(errors), ema)]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_pycls_log(folder, errors):
    """Write a log as pycls does: its tag in the middle of lines, four decimals, a config with a stray _type."""
    folder.mkdir(parents=True)
    tree = {"_type": "cfg", "OPTIM": {"BASE_LR": 0.05, "MAX_EPOCH": len(errors)}, "RNG_SEED": 4, "OUT_DIR": "/tmp"}
    lines = [f"[trainer.py: 99]: json_stats: {json.dumps(record)}" for record in [tree, *records(errors, len(errors))]]
    cut = '[meters.py: 1]: json_stats: {"_type": "test_epo'
    (folder / "stdout.log").write_text("\n".join(["[trainer.py: 5]: Model:", *lines, cut]))
    return folder


@pytest.fixture
def sweep(tmp_path):
    """Three seeds of one rate, two of another, one of them unfinished, and a run of pycls."""
    runs = tmp_path / "runs"
    for seed, last in ((1, 8.0), (2, 9.5), (10, 7.0)):
        write_run(runs / f"a_{seed}", [20.0, 6.5 if seed == 2 else 12.0, last], RNG_SEED=seed, OPTIM__BASE_LR=0.1)
    write_run(runs / "b_1", [30.0, 25.0, 22.0], RNG_SEED=1, OPTIM__BASE_LR=0.4, ema=True)
    write_run(runs / "b_2", [31.0], max_epoch=3, RNG_SEED=2, OPTIM__BASE_LR=0.4)
    write_pycls_log(runs / "pycls", [50.0, 40.0])
    (runs / "a_1/checkpoints").mkdir()
    (runs / "notes").mkdir()
    return runs


def rows_of(text, first):
    """Return the cells of a printed table's rows, which two spaces and more keep apart."""
    block = next(block for block in text.split("\n\n") if block.lstrip().startswith(first))
    return [[cell.strip() for cell in line.strip().split("  ") if cell.strip()] for line in block.splitlines()]


def test_the_printed_tables(sweep):
    done = run_tool_here("compare_runs.py", sweep)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    _, *runs = rows_of(done.stdout, "#")
    assert [row[1] for row in runs[:6]] == ["a_1", "a_2", "a_10", "b_1", "b_2", "pycls"]
    assert runs[1] == ["2", "a_2", "3", "9.50", "-", "6.50", "2", "0.4750", "0.9500", "200", "1 min 0 s", "2"]
    assert runs[3][2:7] == ["3", "22.00", "11.00", "11.00", "3"], "the lowest is the moving average's"
    assert runs[4][2] == "1 of 3" and runs[5][2:6] == ["2", "40.00", "-", "40.00"]
    _, _, *differences = rows_of(done.stdout, "What the configs differ in")
    keys = {row[0]: row[1:] for row in differences}
    assert keys["OPTIM.BASE_LR"] == ["0.1", "0.1", "0.1", "0.4", "0.4", "0.05"]
    assert keys["RNG_SEED"] == ["1", "2", "10", "1", "2", "4"]
    assert keys.keys() == {"OPTIM.BASE_LR", "RNG_SEED", "OPTIM.MAX_EPOCH"}, "defaults stand in for missing keys"
    _, _, *groups = rows_of(done.stdout, "Over seeds")
    last, lowest = [8.0, 9.5, 7.0], [8.0, 6.5, 7.0]
    expected = [f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}" for values in (last, lowest)]
    assert groups[0] == ["#1, #2, #3", "OPTIM.BASE_LR 0.1, OPTIM.MAX_EPOCH 200", "3", expected[0], "-", expected[1]]
    assert groups[1] == ["#4, #5", "OPTIM.BASE_LR 0.4, OPTIM.MAX_EPOCH 200", "1", "22.00", "11.00", "11.00"]
    assert "sample standard deviation" in done.stdout
    notes = done.stdout.split("\n\n")[-1].strip().splitlines()
    assert notes == [
        "pycls: no metrics.jsonl, figures are those of stdout.log, 4 decimals",
        "b_2: unfinished, 1 of 3 epochs; it is in no mean",
    ]


def test_the_page(sweep, tmp_path):
    out = tmp_path / "page.html"
    done = run_tool_here("compare_runs.py", *sorted(sweep.iterdir()), "--out", out)
    assert done.returncode == 2 and "notes: no run is in it" in done.stderr and not out.exists()
    done = run_tool_here("compare_runs.py", sweep, "--out", out)
    assert done.returncode == 0 and f"Page: {out}" in done.stdout
    page = HtmlPage(out.read_text(encoding="utf-8"))
    page.check_alone()
    lines = [attrs["class"] for tag, attrs in page.tags if tag == "polyline"]
    errors, ema = lines[:6], lines[6]
    assert errors == ["line c0"] * 3 + ["line c1"] * 2 + ["line c2"] and ema == "line c1", "a color for each group"
    assert len(lines) == 4 * 6 + 6 + 1
    assert "8.17 ± 1.26" in page.words and "b_2: unfinished" in page.words
    keys = {row[0]: row[1:] for row in page.table("key", *(f"#{number}" for number in range(1, 7)))}
    assert keys["OPTIM.BASE_LR"] == ["0.1", "0.1", "0.1", "0.4", "0.4", "0.05"]


def test_names_and_odd_runs(tmp_path):
    bad = '<b>"ö" & \''
    write_run(tmp_path / bad, [9.0], RNG_SEED=1)
    again = write_run(tmp_path / "again", [8.0], RNG_SEED=1)
    text = (again / "metrics.jsonl").read_text()
    (again / "metrics.jsonl").write_text(text + text.replace('"top1_err": 8.0', '"top1_err": null') + '{"_type": "tes')
    (again / "config.yaml").write_text("A: [")
    write_run(tmp_path / "twin", [7.0], RNG_SEED=1)
    write_run(tmp_path / "none", [], max_epoch=3, RNG_SEED=2)
    old = write_run(tmp_path / "old", [6.0], RNG_SEED=3)
    config = (old / "config.yaml").read_text().replace("CHANNELS_LAST: false", "GONE_KEY: 5")
    (old / "config.yaml").write_text(config)
    done = run_tool_here("compare_runs.py", tmp_path, "--out", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert HtmlPage((tmp_path / "page.html").read_text()).words.count(bad) > 1
    notes = done.stdout.split("\n\n")[-1].splitlines()
    assert "again: config.yaml is damaged and not read" in notes and "none: no epoch was finished" in notes
    assert f"{bad}, twin: have the same RNG_SEED 1; their spread is not that of seeds" in notes
    found = compare(find_runs([str(tmp_path)]))
    assert found.differences["TRAIN.GONE_KEY"][found.names.index("old")] == 5
    assert "TRAIN.CHANNELS_LAST" not in found.differences, "an old run had what is the default today"
    assert found.figures[found.names.index("again")].last_err is None, "the newer record counts, which has no number"
    (group,) = found.groups
    assert group.last.count == group.finished == 2 and group.title.startswith("TRAIN.GONE_KEY -")


def test_damaged_records_are_told_and_no_end(tmp_path):
    whole = write_run(tmp_path / "whole", [9.0, 8.0], RNG_SEED=1)
    records = (whole / "metrics.jsonl").read_text()
    deep, huge = (
        "[" * 100_000,
        '{"_type": "test_epoch", "epoch": "1/2", "time_epoch": 1e308, "top1_err": ' + "9" * 400 + "}",
    )
    damaged = {
        "bytes": (b"\xff\xfe", ["metrics.jsonl is damaged and not read", "no epoch was finished"]),
        "lines": (f"7\n{deep}\n{huge}\n{records}", ["2 lines of metrics.jsonl cannot be read and are left out"]),
        "cut": (records + '{"_type": "te', []),
        "unended": (records.rstrip(), []),
    }
    for name, (content, _) in damaged.items():
        run = write_run(tmp_path / name, [], RNG_SEED=1)
        config = (run / "config.yaml").read_text().replace("RNG_SEED: 1", "RNG_SEED: [1, 2]")
        (run / "config.yaml").write_text(config)
        (run / "metrics.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = compare(find_runs([str(tmp_path)]))
    told = [note for note in found.notes if "RNG_SEED" not in note]
    assert sorted(told) == sorted(f"{name}: {note}" for name, (_, notes) in damaged.items() for note in notes)
    errors = dict(zip(found.names, (figures.last_err for figures in found.figures), strict=True))
    assert errors == {"whole": 8.0, "lines": 8.0, "cut": 8.0, "unended": 8.0, "bytes": None}


def test_what_is_refused(sweep, tmp_path):
    refused = {
        ("nowhere",): "nowhere: expected the OUT_DIR of a run",
        (sweep, "--out", tmp_path / "page.txt"): "expected a file name that ends in .html",
        (sweep, "--out", tmp_path / "no/page.html"): "no/page.html",
        (sweep, "--out", sweep / "a_1/report.html"): "is the page of one of the runs",
    }
    for words, said in refused.items():
        done = run_tool_here("compare_runs.py", *words)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
        assert done.stdout == ""


def test_a_run_counts_once_however_it_is_named(sweep):
    names = [sweep / "a_1", sweep / "a_1/metrics.jsonl", sweep / "../runs/a_1", sweep]
    assert len(find_runs(list(map(str, names)))) == 6


def test_spread_is_the_sample_standard_deviation():
    assert spread([]) is None and spread([None]) is None and str(spread([2.0])) == "2.00"
    assert spread([1.0, None, 4.0]).std == pytest.approx(np.std([1, 4], ddof=1))


def test_it_answers_without_torch(sweep):
    code = "import sys; from pycls.commands import command; command('compare-runs')('x', sys.argv[1:])"
    code += "; print('torch' in sys.modules)"
    words = [sys.executable, "-c", code, str(sweep)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("False\n"), done.stderr


def test_names_of_runs_do_nothing_to_terminals_and_pages(tmp_path):
    for number, name in enumerate(("<script>alert(1)<", "\x1b[2J\u202eb", "c\rd")):
        write_run(tmp_path / str(number), [20.0, 10.0]).rename(tmp_path / name)
    folders = sorted(str(path) for path in tmp_path.iterdir())
    done = run_tool_here("compare_runs.py", *folders, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for text in (done.stdout, page):
        assert all(letter.isprintable() or letter in "\n\t" for letter in text) and r"\x1b[2J\u202eb" in text
    assert "<script>alert" not in page and HtmlPage(page).tags
