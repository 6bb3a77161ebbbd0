"""The harness of `make reliability`: one case of some kinds is judged as it is there, and what is wrong is seen."""

import argparse
import importlib
import os
import random
import signal
import time
import zipfile

import pytest

from benchmarks.reliability import campaign, damaged_files, fixtures, kills
from benchmarks.reliability.case import Case, Failed, Result, Room
from benchmarks.reliability.fixtures import Fixtures
from benchmarks.reliability.page import page, publish_page
from benchmarks.reliability.processes.command import Command, Ended, Limits
from benchmarks.reliability.processes.linux import descendants
from benchmarks.reliability.processes.pool import run_cases
from benchmarks.reliability.verdicts import check_one_line, check_refused, difference

ARGS = argparse.Namespace(seed=1, jobs=1, only="", quick=False)


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What a training imports: once here, instead of in every fork."""
    modules = ("pycls.commands.train", "pycls.engine", "torch._dynamo", "matplotlib.pyplot", "jinja2")
    for name in (*modules, "pycls.datasets.backends.custom", "PIL.JpegImagePlugin"):
        importlib.import_module(name)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Fixtures in short: the undisturbed run has one epoch."""
    monkeypatch.setattr(kills, "_EPOCHS", 1)
    fixtures.build_data(None, tmp_path / "made/data")
    return Fixtures(tmp_path / "made")


@pytest.fixture
def room(tmp_path, made):
    (tmp_path / "room").mkdir()
    return Room(tmp_path / "room", made, random.Random(1))


def case_of(kind, word=""):
    return next(case for case in campaign.all_cases() if case.kind.startswith(kind) and word in case.name)


def ended(err, code=2):
    return Ended((), code, "", err, 0.0, 0, False)


# ---- what it sees


def test_a_refusal_is_one_line_with_its_words():
    check_refused(ended("warning: x\npycls train: error: a.yaml:3: unknown key\n"), r"a\.yaml:3")
    for wrong in (
        ended("pycls train: error: a.yaml\n", code=1),
        ended("pycls train: error: b.yaml\n"),
        ended("pycls train: error: a.yaml\nmore\n"),
        ended("a.yaml\n"),
        ended("error: a.yaml \x1b[31m\n"),
        ended('Traceback (most recent call last):\nerror: a.yaml"\n'),
        ended(""),
    ):
        with pytest.raises(Failed):
            check_refused(wrong, r"a\.yaml")
    check_one_line(ended("x: error: y", code=1), "y")


def test_equal_is_equal_bit_for_bit():
    import torch

    tree = {"a": [torch.tensor([1.0, float("nan")]), 3], "b": None}
    assert difference(tree, {"a": [torch.tensor([1.0, float("nan")]), 3], "b": None}) == ""
    for other in (
        {"a": [torch.tensor([1.0, 2.0]), 3], "b": None},
        {"a": [torch.tensor([1.0, float("nan")], dtype=torch.float64), 3], "b": None},
        {"a": [torch.tensor([1.0, float("nan")]), 3.0], "b": None},
        {"a": [torch.tensor([1.0, float("nan")]), 3]},
    ):
        assert difference(tree, other)


def test_a_command_runs_in_a_fork_and_its_end_is_known(room):
    done = room.run("train", "--nothing")
    assert (done.code, done.out) == (2, "") and "--nothing" in done.err and not done.late
    assert room.run("--version").out.startswith("pycls ")
    slept = room.run("--version", prepare=lambda: time.sleep(30), limits=Limits(seconds=0.2))
    assert slept.late and slept.code == -signal.SIGKILL
    grown = room.run("--version", prepare=lambda: bytes(range(256)) * (1 << 20))
    assert 250 < grown.extra_mb < 800
    command = Command(["--version"], room.folder, prepare=lambda: time.sleep(30))
    command.signal(signal.SIGTERM)
    assert command.wait().code == -signal.SIGTERM


def test_what_a_command_leaves_behind_is_seen(tmp_path, made):
    """In a worker, which alone may take in orphans."""

    def leave():
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)

    def judge_child(room):
        room.run("--version", prepare=leave)

    def judge_memory(room):
        room.run("--version", prepare=lambda: open("/dev/shm/left", "w").close())

    def judge_change(room):
        (made_in(room) / "new").write_text("x")

    def made_in(room):
        return room.fixtures["data"]

    cases = [Case("k", f.__name__, f) for f in (judge_child, judge_memory, judge_change, lambda room: None)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.reliability.case._GRACE_SEC", 0.2)
        results = list(run_cases(cases, made, 1, 1, tmp_path / "workers"))
    words = [result.words for result in results]
    assert "live on" in words[0] and "changed files" in words[2] and results[3].verdict == "survived", words
    assert (
        "/dev/shm" in words[1] or results[1].verdict == "survived"
    )  # where nothing can be mounted, others write there


# ---- cases as they are there


def judged(case, made, tmp_path):
    (result,) = run_cases([case], made, 1, 1, tmp_path / "workers")
    return result


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("bad input: config keys", ""),
        ("bad input: command lines", "OPTIM.MAX_EPOCH.X"),
        ("bad input: YAML", "DEPHT"),
        ("bad input: data sets", "no training"),
        ("attacks: values of keys", ""),
    ],
)
def test_bad_input_is_judged(kind, word, made, tmp_path):
    result = judged(case_of(kind, word), made, tmp_path)
    assert result.verdict == "survived", result.words


def test_a_kill_and_a_full_disk_are_survived(made, tmp_path, monkeypatch):
    reference = kills.reference_name("custom", 1)
    build = Case("fixture", "x", lambda room: fixtures.BUILDERS[reference](room, made[reference]))
    assert judged(build, made, tmp_path / "a").verdict == "survived"
    for kind, word in (("kill -9, 1 process: before", "custom"), ("full disk: trainings", "#1")):
        result = judged(case_of(kind, word), made, tmp_path / kind[:4])
        assert result.verdict in ("survived", "skipped"), result.words
        assert result.verdict == "survived" or kind.startswith("full")


def test_records_that_are_exchanged_stay_an_archive(tmp_path):
    import torch

    torch.save({"a": torch.zeros(3), "b": torch.ones(3)}, tmp_path / "x.pyth")
    words, data = damaged_files._exchange_records((tmp_path / "x.pyth").read_bytes(), random.Random(0))
    (tmp_path / "x.pyth").write_bytes(data)
    assert zipfile.ZipFile(tmp_path / "x.pyth").testzip() is None and "exchanged" in words
    assert torch.load(tmp_path / "x.pyth", weights_only=True)["a"].tolist() == [1, 1, 1]


# ---- all of them


def test_there_are_enough_and_names_find_one():
    cases = campaign.all_cases()
    count = {word: sum(case.kind.startswith(word) for case in cases) for word in ("bad input", "attacks", "damaged")}
    num_kills = sum(case.kind.startswith(campaign.KILLS) for case in cases)
    assert num_kills >= 100 and count["bad input"] >= 400 and count["attacks"] >= 60 and count["damaged"] >= 1000
    names = [(case.kind, case.name) for case in cases]
    assert len(names) == len({*names}), [name for name in names if names.count(name) > 1]
    quick = campaign.chosen(cases, None, quick=True)
    assert 20 < len(quick) < 40 and {"full disk: trainings", "attacks: bombs"} <= {case.kind for case in quick}
    loaders = {loader for loader in kills.LOADERS for case in cases if f" {loader} " in case.name}
    assert loaders == {*kills.LOADERS}


def test_the_page_counts_and_names_what_failed(tmp_path):
    results = [
        Result("kind", "a", "survived", "", 1.0),
        Result("kind", "b", "failed", "no | line", 1.0),
        Result("other", "c", "survived", "", 1.0, tried=15),
        Result("other", "d", "skipped", "no mounts", 1.0),
    ]
    text = page(results, 2.0, ARGS)
    assert "| kind | 2 | 1 | 1 | 0 |" in text and "| other | 15 | 15 | 0 | 1 |" in text and "- kind: `b`: no" in text
    assert "| **all** | 17 | 16 | 1 | 1 |" in text
    publish_page(text, tmp_path / "p.md")
    assert "**all**" in (tmp_path / "p.md").read_text()


def test_descendants_are_found():
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    assert pid in descendants(os.getpid())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
