"""The tools as a user runs them."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from pycls.core.cli import OneLineParser, run_plain_tool
from pycls.engine.reporting import plots
from tests.helpers.runs import DIGITS, ROOT, run_tool, run_tool_here, tiny_words

TOOLS = sorted((ROOT / "tools").glob("*.py"))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda p: p.name)
def test_help_says_how(tool):
    done = run_tool(tool.name, "--help")
    assert done.returncode == 0 and "example:" in done.stdout
    assert "KEY VALUE" in done.stdout or "--cfg" not in done.stdout
    assert len(tool.read_text().splitlines()) <= 60, "tools are thin"


def test_bad_input_is_one_line_and_exit_code_2():
    done = run_tool("train_net.py", "--cfg", DIGITS, "OPTIM.BASELR", "1")
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.strip()
        == "tools/train_net.py: error: command line: unknown key OPTIM.BASELR, did you mean 'OPTIM.BASE_LR'?"
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("CFG_DEST", "../x.yaml", "CFG_DEST must be the bare name of a file in OUT_DIR that ends in .yaml"),
        ("CFG_DEST", "metrics.jsonl", "CFG_DEST must be the bare name of a file in OUT_DIR that ends in .yaml"),
        ("OUT_DIR", "", "OUT_DIR must be a folder (. is the current one), got ''"),
        ("DATA_LOADER.SKIP_LIST", "no/such.txt", "DATA_LOADER.SKIP_LIST no/such.txt: no such file"),
    ],
)
def test_nothing_is_written_before_a_mistake_is_told(tmp_path, key, value, words):
    for tool, weights in (("train_net.py", []), ("test_net.py", ["TEST.WEIGHTS", DIGITS])):
        done = run_tool_here(tool, "--cfg", DIGITS, *tiny_words(tmp_path / "out"), *weights, key, value)
        assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_print_cfg_and_diff():
    printed = run_tool("train_net.py", "--cfg", DIGITS, "--print-cfg", "OPTIM.MAX_EPOCH", "7")
    assert "MAX_EPOCH: 7" in printed.stdout and "EPS: 1.0e-05" in printed.stdout
    diff = run_tool("train_net.py", "--diff", "OPTIM.MAX_EPOCH", "7")
    assert diff.stdout == "OPTIM.MAX_EPOCH: 7\n"


def test_train_then_test(tmp_path):
    trained = run_tool("run_net.py", "--mode", "train", "--cfg", DIGITS, *tiny_words(tmp_path))
    assert trained.returncode == 0, trained.stderr
    assert "Top-1 accuracy" in trained.stdout and "Files: " in trained.stdout and "curves.png" in trained.stdout
    for picture in ("curves.png", "test_confusion.png"):
        with Image.open(tmp_path / picture) as image:
            assert min(image.size) > 400 and len(image.convert("L").getcolors()) > 50, "something is drawn"
    assert "\r" not in trained.stdout + trained.stderr, "no progress bar in a pipe"
    tested = run_tool_here("test_net.py", "--cfg", DIGITS, *tiny_words(tmp_path))
    assert tested.returncode == 0 and "355 images" in tested.stdout, tested.stderr


MODES = {
    "train": ([], "Top-1 accuracy"),
    "test": ([], "on 355 images"),
    "time": (["PREC_TIME.NUM_ITER", 1, "PREC_TIME.WARMUP_ITER", 0], "Bottleneck: the "),
    "scale": (["MODEL.SCALING_TYPE", "w", "MODEL.SCALING_FACTOR", 4, "CFG_DEST", "wide.yaml"], "Written: "),
}


def test_run_net_has_every_mode(tmp_path):
    for mode, (words, said) in MODES.items():
        keys = tiny_words(tmp_path, OPTIM__MAX_EPOCH=1, BN__NUM_SAMPLES_PRECISE=96)
        done = run_tool_here("run_net.py", "--mode", mode, "--cfg", DIGITS, *keys, *words)
        assert done.returncode == 0 and said in done.stdout, (mode, done.stderr)
    assert " parameters" in run_tool_here("run_net.py", "--mode", "info", "--cfg", DIGITS).stdout
    by_mode = run_tool_here("run_net.py", "--cfg", DIGITS, "--mode", "info")
    assert by_mode.returncode == 0 and by_mode.stdout == run_tool_here("info_net.py", "--cfg", DIGITS).stdout
    drawn = run_tool_here("run_net.py", "--mode", "info", "--plot-lr", tmp_path / "lr.png", "--cfg", DIGITS)
    assert drawn.returncode == 0 and (tmp_path / "lr.png").exists(), drawn.stderr


def test_run_net_says_what_it_needs():
    told = run_tool_here("run_net.py", "--mode", "info", "--help")
    assert told.returncode == 0 and told.stdout.startswith("usage: tools/run_net.py --mode info [-h]")
    assert "python tools/run_net.py --mode info --cfg" in told.stdout
    for words, said in (([], "--mode is needed: train, test"), (["--mode", "trian"], "invalid choice: 'trian'")):
        done = run_tool_here("run_net.py", *words)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    wrong = run_tool_here("run_net.py", "--mode", "train", "OPTIM.BASELR", "1")
    assert wrong.stderr.startswith("tools/run_net.py --mode train: error: command line: unknown key")


def test_torchrun_starts_the_same_training(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = tiny_words(tmp_path, OPTIM__MAX_EPOCH=1, NUM_GPUS=1)
    command = [*launcher, str(ROOT / "tools/train_net.py"), "--cfg", DIGITS, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Top-1 accuracy") == 1 and "355 images" in done.stdout
    assert '"processes": 2' in (tmp_path / "stdout.log").read_text()


def test_info_prints_layers_and_totals():
    done = run_tool_here("info_net.py", "--cfg", "configs/baselines/R-50.yaml")
    assert "4,089,185,256 MACs" in done.stdout and "25,557,032 parameters" in done.stdout
    assert "s4.b3.f.c" in done.stdout


@pytest.mark.parametrize("per_iter", [True, False])
def test_plot_lr_draws_the_policy(tmp_path, per_iter, draw, monkeypatch):
    monkeypatch.setattr(plots, "_save", draw)
    path = tmp_path / "lr.png"
    words = ("OPTIM.LR_POLICY", "one_cycle", "OPTIM.PEAK_EPOCH", 10, "OPTIM.LR_PER_ITER", per_iter)
    done = run_tool_here("info_net.py", "--plot-lr", path, *words)
    assert done.returncode == 0 and "one_cycle over 200 epochs" in done.stdout, done.stderr
    with Image.open(path) as image:
        assert min(image.size) > 400 and len(image.convert("L").getcolors()) > 50, "something is drawn"
    wrong = run_tool_here("info_net.py", "--plot-lr", "lr.txt", *words)
    assert wrong.returncode == 2 and ".png" in wrong.stderr


def test_time_names_the_bottleneck(tmp_path):
    done = run_tool_here(
        "time_net.py", "--cfg", DIGITS, *tiny_words(tmp_path), "PREC_TIME.NUM_ITER", 3, "PREC_TIME.WARMUP_ITER", 1
    )
    assert done.returncode == 0, done.stderr
    assert "Bottleneck: the " in done.stdout and "bf16" in done.stdout and "channels_last" in done.stdout
    assert re.search(r"infer \(ms\), 64 images, fp32, channels last: p50 [\d.]+, p95 [\d.]+\n", done.stdout)
    assert "Loader alone" in done.stdout and "End to end" in done.stdout


@pytest.mark.parametrize(
    ("tool", "words", "said"),
    [
        ("train_net.py", ["OUT_DIR", "{file}"], "OUT_DIR {file}: cannot be made, or is no folder (File exists)"),
        ("train_net.py", ["OUT_DIR", "{file}/x"], "or is no folder (Not a directory)"),
        ("train_net.py", ["TRAIN.DATASET", "cifar10", "TRAIN.CROP_PADDING", "32"], "crops would miss the images of"),
        (
            "train_net.py",
            ["NUM_GPUS", "960", "TRAIN.BATCH_SIZE", "960", "TEST.BATCH_SIZE", "960"],
            "too many processes",
        ),
        ("train_net.py", ["TEST.IM_SIZE", "7"], "TEST.IM_SIZE = 7 is smaller than TRAIN.IM_SIZE = 8"),
        ("test_net.py", ["TEST.IM_SIZE", "7", "TEST.WEIGHTS", DIGITS], "TEST.IM_SIZE = 7 is smaller"),
        ("train_net.py", ["TRAIN.DATASET", "cifar10"], "TRAIN.IM_SIZE is 8, but the images of cifar10 are 32 px"),
        ("train_net.py", ["ANYNET.WIDTHS", "[8, 1000000]"], "GB of weights"),
        ("train_net.py", ["MODEL.TYPE", "a\nb"], r"MODEL.TYPE: unknown choice 'a\nb'"),
        ("info_net.py", ["--plot-lr", ""], "--plot-lr : the name must end in"),
        ("check_data.py", ["--out", ""], "--out must be a folder (. is the current one), got ''"),
    ],
)
def test_what_could_not_work_is_told_in_one_line(tmp_path, tool, words, said):
    (tmp_path / "file").touch()
    options, keys = [words, []] if words[0].startswith("--") else [[], words]
    trains = tool in ("train_net.py", "test_net.py")
    done = run_tool_here(
        tool,
        *["--cfg", DIGITS, *options, *(tiny_words(tmp_path / "out") if trains else [])],
        *[word.format(file=tmp_path / "file") for word in keys],
    )
    assert done.returncode == 2 and said.format(file=tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("error", "said"), [(OSError(), "OSError"), (ValueError("a\n\x1b  b"), r"a \x1b  b")])
def test_every_error_is_one_line_that_says_something(error, said, capsys):
    def act(args):
        raise error

    parser = OneLineParser("pycls x", "", "")
    parser.add_argument("--traceback", action="store_true")
    with pytest.raises(SystemExit):
        run_plain_tool(parser, act, [])
    assert capsys.readouterr().err == f"pycls x: error: {said}\n"
