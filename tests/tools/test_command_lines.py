"""Command lines as people write them, through the commands themselves."""

import io
import os
import subprocess
import sys

import pytest

from pycls import commands
from pycls.core.cli import OneLineParser, run_plain_tool
from pycls.core.stop_signals import quiet_closed_pipe
from tests.helpers.commands import pycls_here
from tests.helpers.paths import CONFIGS, ROOT
from tests.helpers.runs import DIGITS, tiny_words

QUICK = "quickstart/digits.yaml"


@pytest.mark.parametrize(
    "words",
    [
        "--cfg FILE OPTIM.MAX_EPOCH 7 --diff",
        "--config FILE --diff OPTIM.MAX_EPOCH=7",
        "FILE --OPTIM.MAX_EPOCH=7 --diff",
        "--OPTIM.MAX_EPOCH 7 FILE --diff",
        "--diff --cfg=FILE OPTIM.MAX_EPOCH = 7",
    ],
)
def test_all_these_mean_the_same(words):
    plain = pycls_here("train", "--diff", "--cfg", DIGITS, "OPTIM.MAX_EPOCH", 7)
    done = pycls_here("train", *words.replace("FILE", DIGITS).split())
    assert done.returncode == 0 and done.stdout == plain.stdout and "OPTIM.MAX_EPOCH: 7\n" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train FILE DATA_DIR photos", "DATA_DIR photos does nothing for TRAIN.DATASET digits and TEST.DATASET digits"),
        ("train FILE DATA_DIR=photos", "add TRAIN.DATASET imagenet TEST.DATASET imagenet"),
        ("time --cfg FILE DATA_DIR photos", "does nothing for TRAIN.DATASET digits"),
        ("train FILE TEST.WEIGHTS a.pyth", "TEST.WEIGHTS is not read by train: a training starts from TRAIN.WEIGHTS"),
        ("test FILE TRAIN.WEIGHTS a.pyth", "TRAIN.WEIGHTS is not read by test: test evaluates TEST.WEIGHTS"),
        ("predict a.png --weights a.pyth OUT_DIR x", "OUT_DIR is not read by predict"),
        ("info FILE TEST.HFLIP True", "TEST.HFLIP is not read by info"),
        ("train FILE PREC_TIME.NUM_ITER 3", "PREC_TIME.NUM_ITER is not read by train: pycls time measures"),
        (
            "train FILE TRAIN.CROP_PADDING 2",
            "does nothing for TRAIN.DATASET digits, only with TRAIN.DATASET cifar10",
        ),
        (
            "train FILE REGNET.W0 16",
            "REGNET.W0 16 does nothing for MODEL.TYPE resnet, only with MODEL.TYPE regnet",
        ),
        ("train FILE OPTIM.EMA_ALPHA 0.1", "OPTIM.EMA_ALPHA 0.1 does nothing without OPTIM.EMA_UPDATE_PERIOD"),
        ("train FILE HOST example.org", "HOST example.org does nothing here"),
        ("train FILE TRAIN.DATASET my/photos", "is a path, which DATA_DIR takes: write TRAIN.DATASET imagenet"),
        ("train --cfg FOLDER", "quickstart: is a folder, no config; give a file in it, "),
        ("train --cfg FILE --cfg FILE", "--cfg/--config: is given twice"),
        ("train FILE OPTIM.MAX_EPOCH", "'OPTIM.MAX_EPOCH' at the end has no value"),
        ("train FILE --epochs 3", "keys of the config are written KEY VALUE, such as OPTIM.MAX_EPOCH 20"),
        ("train FILE DEVICE cuda:99", "DEVICE cuda:99: "),
        ("train FILE OUT_DIR $NO_SUCH/x", "OUT_DIR: the environment variable NO_SUCH is not set, in $NO_SUCH/x"),
        ("check-data --out $NO_SUCH/x .", "--out: the environment variable NO_SUCH is not set"),
        ("info", "MODEL.TYPE is not set: give a config (--cfg FILE)"),
        ("info --plot-lr no/lr.png", "no/lr.png: cannot be written, there is no folder no"),
        ("predict a.png --weights RegNetX-400MF --csv no/x.csv", "no/x.csv: cannot be written, there is no folder no"),
        ("predict a.png --weights RegNetX-400MF --jsonl .", ".: is a folder; give the name of a file"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_nothing_is_written(words, said, tmp_path):
    filled = words.replace("FILE", QUICK).replace("FOLDER", str(CONFIGS / "quickstart")).split()
    done = pycls_here(*filled, cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if "is not in this folder: the shipped" not in line]
    assert done.returncode == 2 and len(told) == 1 and said in told[0].replace(QUICK, "FILE"), done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


def test_home_and_variables_in_options_and_words(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WHERE", str(tmp_path))
    done = pycls_here("info", DIGITS, "--plot-lr=~/lr.png")
    assert done.returncode == 0 and (tmp_path / "lr.png").exists(), done.stderr
    done = pycls_here("pack", "$WHERE/none", "~/packed")
    assert done.returncode == 2 and f"{tmp_path}/none" in done.stderr
    (tmp_path / "a.yaml").write_text("RNG_SEED: 6\n")
    assert pycls_here("train", "--cfg=~/a.yaml", "--diff").stdout == "RNG_SEED: 6\n"


def test_a_wrong_data_dir_is_told_before_timing_and_downloads(tmp_path):
    words = tiny_words(
        tmp_path / "out", TRAIN__DATASET="imagenet", TEST__DATASET="imagenet", DATA_DIR=tmp_path / "none"
    )
    for command in (["time"], ["test", "TEST.WEIGHTS=RegNetX-400MF"]):
        done = pycls_here(*command, "--cfg", DIGITS, *words)
        assert done.returncode == 2 and f"DATA_DIR: {tmp_path}/none is not a folder" in done.stderr, done.stderr
        assert done.stdout == "" and done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()


def test_what_is_known_with_the_data_only_leaves_no_folder_either(tmp_path):
    for words in (["TRAIN__SPLIT", "foo"], ["TRAIN__BATCH_SIZE", 7200], ["DATA_LOADER__BACKEND", "memory"]):
        done = pycls_here("train", "--cfg", DIGITS, *tiny_words(tmp_path / "new/run", **dict([words])))
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stdout == "", done.stderr
        assert list(tmp_path.iterdir()) == []


def test_characters_that_the_output_lacks_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True)
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.argv", ["pycls", "train", "--diff", "DESC", "Zürich"])
    assert commands.main() == 0
    assert stream.buffer.getvalue() == b"DESC: 'Z\\xfcrich'\n"


def test_an_output_that_was_closed_before_is_as_one_that_nobody_reads(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.argv", ["pycls", "train", "--diff", "DESC", "x"])
    assert commands.main() == 0


def test_a_closed_pipe_ends_silently():
    command = f"set -o pipefail; {sys.executable} -m pycls.core.config.describe | true; echo $?"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.stderr == "" and done.stdout == "141\n"


@pytest.mark.parametrize("num_chars", [10, 10**6])
def test_a_command_whose_output_nobody_reads_ends_silently(num_chars, monkeypatch, capsys):
    def act(args):
        print("x" * num_chars)
        return 0

    parser = OneLineParser("pycls x", "", "")
    parser.add_argument("--traceback", action="store_true")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed, pytest.raises(SystemExit) as end:
        monkeypatch.setattr(sys, "stdout", closed)
        with quiet_closed_pipe():
            run_plain_tool(parser, act, [])
    monkeypatch.undo()
    assert end.value.code == 141 and capsys.readouterr().err == ""


def test_another_broken_pipe_is_told(capsys):
    def act(args):
        raise BrokenPipeError(32, "Broken pipe")

    parser = OneLineParser("pycls x", "", "")
    parser.add_argument("--traceback", action="store_true")
    with pytest.raises(SystemExit) as end, quiet_closed_pipe():
        run_plain_tool(parser, act, [])
    assert end.value.code == 1 and "Broken pipe" in capsys.readouterr().err
