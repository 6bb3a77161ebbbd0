"""The command `pycls`: its sub-commands, their options, and mistakes."""

import argparse
import importlib
import re

import pytest

from pycls.commands import COMMANDS
from pycls.commands.number_types import positive, whole
from pycls.core.cli import OneLineParser, Several, called_as
from pycls.core.config import dump_changes, load_cfg
from tests.helpers.commands import pycls_here, pycls_process
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_tool_here

TOOLS = {
    "train": "train_net.py",
    "test": "test_net.py",
    "time": "time_net.py",
    "info": "info_net.py",
    "scale": "scale_net.py",
    "predict": "predict.py",
    "export": "export.py",
    "convert": "convert_weights.py",
    "check-data": "check_data.py",
    "pack": "pack_data.py",
    "compare-loaders": "compare_loaders.py",
    "compare-runs": "compare_runs.py",
    "zoo": "model_zoo.py",
}
RUN_NET = "run_net.py"


def parser_of(command, monkeypatch):
    """Return the parser that a command builds."""
    found = []

    def keep(parser, words):
        found.append(parser)
        raise SystemExit

    monkeypatch.setattr(OneLineParser, "parse_args", keep)
    monkeypatch.setattr(OneLineParser, "parse_intermixed_args", keep)
    with pytest.raises(SystemExit):
        importlib.import_module(f"pycls.commands.{command.replace('-', '_')}").main(f"pycls {command}", [])
    return found[0]


def test_help_lists_the_commands_and_each_is_there(tmp_path):
    done = pycls_process("--help", cwd=tmp_path)
    listed = re.findall(r"^  ([a-z-]+) {2,}\S.*$", done.stdout.partition("options:")[0], re.MULTILINE)
    assert done.returncode == 0 and tuple(listed) == tuple(COMMANDS) == tuple(TOOLS)
    assert {*TOOLS.values(), RUN_NET} == {path.name for path in (ROOT / "tools").glob("*.py")}
    assert "python -m pycls train --cfg" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_and_its_tool_have_the_same_help_but_for_the_name(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")  # the usage in one line
    by_command, by_tool = pycls_here(command, "--help"), run_tool_here(TOOLS[command], "--help")
    assert by_command.returncode == by_tool.returncode == 0
    text, tool = by_command.stdout, f"tools/{TOOLS[command]}"
    assert text.startswith(f"usage: pycls {command} ") and f"\n  pycls {command} " in text.partition("example:")[2]
    assert by_tool.stdout.startswith(f"usage: {tool} ") and f"\n  python {tool} " in by_tool.stdout
    assert by_tool.stdout.replace(f"python {tool}", tool).replace(tool, f"pycls {command}") == text
    assert "{call}" not in text and "tools/" not in text


def test_the_name_is_how_the_user_calls():
    assert called_as("/opt/venv/bin/pycls") == "pycls"
    assert called_as("/opt/lib/pycls/__main__.py") == "python -m pycls"
    assert called_as("tools/info_net.py") == called_as("/repo/tools/info_net.py") == "tools/info_net.py"
    assert called_as("info_net.py") == "info_net.py"


def test_version_and_mistyped_commands(tmp_path):
    assert re.fullmatch(r"pycls \d+\.\d+\.\d+\n", pycls_here("--version").stdout)
    wrong = pycls_here("trian", "--help")
    assert wrong.returncode == 2 and wrong.stdout == ""
    assert wrong.stderr == "pycls: error: expected a command, got 'trian', did you mean 'train'?\n"
    assert pycls_here("--vers1on").returncode == 2
    nothing = pycls_here()
    assert nothing.returncode == 2 and "compare-loaders" in nothing.stderr


# ---- numbers out of range


def numeric(action):
    return action.const if isinstance(action, Several) else action.type


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_has_a_range(command, monkeypatch):
    for action in parser_of(command, monkeypatch)._actions:
        read = numeric(action)
        assert read not in (int, float), action.option_strings
        if read is None or isinstance(read, type):
            continue
        for text in ("-1", "nan", "-inf", "many", "", "1e400"):
            with pytest.raises(argparse.ArgumentTypeError, match=r"^expected a .*number"):
                read(text)


WRONG = [
    ("predict x.png --weights a.pyth", "--topk", ["0", "-3", "1.5", "nan"]),
    ("check-data .", "--tiny-px", ["-1", "x"]),
    ("pack a b", "--workers", ["-1", "100000"]),
    ("pack a b", "--quality", ["0", "101"]),
    ("pack a b", "--max-side", ["0", "65536"]),
    ("pack a b", "--shard-mb", ["0", "1e9"]),
    ("compare-loaders", "--workers", ["-1", "2 -1", "0.5", "100000"]),
    ("compare-loaders", "--batch-sizes", ["0", "8 0"]),
    ("compare-loaders", "--images", ["0"]),
    ("compare-loaders", "--rounds", ["0"]),
    ("compare-loaders", "--epochs", ["-1"]),
    ("compare-loaders", "--minutes", ["0", "-1", "inf"]),
    ("compare-loaders --pytorch-cls-table", "--cpus", ["0", "99999"]),
    ("compare-loaders --pytorch-cls-table", "--table-batch-size", ["0"]),
]


@pytest.mark.parametrize(("words", "option", "value"), [(w, o, value) for w, o, values in WRONG for value in values])
def test_a_number_out_of_range_is_one_line_before_anything_is_written(words, option, value, tmp_path):
    done = pycls_here(*words.split(), option, *value.split(), cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and option in done.stderr, done.stderr
    assert value.split()[-1] in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("factor", ["1e9", "0", "-1", "nan", "inf", "1e-9"])
def test_a_scaling_factor_out_of_range(factor, tmp_path):
    words = ["--cfg", "baselines/R-50.yaml", "MODEL.SCALING_TYPE", "d", "MODEL.SCALING_FACTOR", factor]
    done = pycls_here("scale", *words, "OUT_DIR", "out", cwd=tmp_path)
    assert done.returncode == 2 and "MODEL.SCALING_FACTOR" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_number_types():
    assert whole(0)("0") == 0 and whole(1, 3)("3") == 3 and whole(0)("+7") == 7
    assert positive("minutes")("0.5") == 0.5
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number between 1 and 3, got '4'"):
        whole(1, 3)("4")


# ---- shipped configs


@pytest.mark.parametrize("name", ["configs/quickstart/digits.yaml", "quickstart/digits.yaml"])
def test_a_shipped_config_is_found_from_any_folder(name, tmp_path):
    done = pycls_here("train", "--cfg", name, "--diff", cwd=tmp_path)
    assert done.returncode == 0 and "TRAIN.DATASET: 'digits'\n" in done.stdout
    assert done.stderr == f"{name} is not in this folder: the shipped {ROOT}/configs/quickstart/digits.yaml is used\n"


def test_the_own_config_of_that_name_comes_first(tmp_path):
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart/digits.yaml").write_text(dump_changes(load_cfg(None, ["RNG_SEED", "77"])))
    done = pycls_here("train", "--cfg", "quickstart/digits.yaml", "--diff", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("RNG_SEED: 77\n", "")


def test_no_such_config_anywhere(tmp_path):
    far = pycls_here("info", "--cfg", "configs/quickstart/digit.yaml", cwd=tmp_path)
    assert far.returncode == 2 and far.stderr.endswith("did you mean 'configs/quickstart/digits.yaml'?\n")
    for name in ("nope.yaml", "../configs/quickstart/digits.yaml", f"{tmp_path}/quickstart/digits.yaml"):
        done = pycls_here("info", "--cfg", name, cwd=tmp_path)
        assert done.returncode == 2 and f"{name}: no such config file" in done.stderr
