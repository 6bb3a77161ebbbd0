"""The commands: `pycls train` and the file tools/train_net.py are the same code, one module a command.

A command imports what it needs when it acts, so that --help answers at once. Signals are caught before all but the
standard library is imported, so that they end a command in one line at any moment.
"""

import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence

import pycls
from pycls.core.stop_signals import ended_by_signals, quiet_closed_pipe

COMMANDS = {
    "train": "train a network, or go on with a training",
    "test": "evaluate a trained network",
    "time": "time a network and its data loader, and name the bottleneck",
    "info": "show a network's layers and what it costs",
    "scale": "scale a network up or down",
    "predict": "name what is on images",
    "export": "write a network as ONNX or torch.export file",
    "convert": "write weights in another layout",
    "check-data": "find unreadable, damaged, odd and double images",
    "pack": "pack image folders into tar shards",
    "compare-loaders": "measure the loader backends on this machine",
    "compare-runs": "show trainings beside each other, over seeds too",
    "zoo": "list the networks of the model zoo, or measure one again",
}
_LINES = "\n".join(f"  {name:<16} {summary}" for name, summary in COMMANDS.items())
DESCRIPTION = f"""Image classification from YAML files.

commands:
{_LINES}

{{call}} COMMAND --help says more of each."""
EXAMPLE = "train --cfg configs/quickstart/digits.yaml OUT_DIR runs/digits"


def main() -> int:
    """Run the command that the first word names: `pycls COMMAND ...`, `python -m pycls COMMAND ...`."""
    with ended_by_signals(_program()) as ending, quiet_closed_pipe():
        _write_all_characters()
        ending.code = _run(_call(), sys.argv[1:])
        return ending.code


def _run(prog: str, words: Sequence[str]) -> int:
    from pycls.core.cli import OneLineParser
    from pycls.core.registry import did_you_mean

    if words and words[0] in COMMANDS:
        return command(words[0])(f"{prog} {words[0]}", words[1:])
    parser = OneLineParser(prog, DESCRIPTION, EXAMPLE, usage=f"{prog} [-h] [--version] COMMAND ...")
    parser.add_argument("--version", action="version", version=f"pycls {pycls.__version__}")
    if not words:
        parser.print_help(sys.stderr)
        return 2
    if words[0].startswith("-"):
        parser.parse_args(words[:1])  # --help and --version end here, as does what is no option
    parser.error(f"expected a command, got '{words[0]}'{did_you_mean(words[0], COMMANDS)}")


def run_file(name: str) -> int:
    """Do what a file in tools/ does: run a command, called by the file's name."""
    with ended_by_signals(_program()) as ending, quiet_closed_pipe():
        _write_all_characters()
        ending.code = command(name)(_call(), sys.argv[1:])
        return ending.code


def _program() -> str:
    """Return what a line on a signal calls this program."""
    name = os.path.basename(sys.argv[0])
    return "pycls" if name == "__main__.py" else name


def _call() -> str:
    """Return how the user calls this program."""
    from pycls.core.cli import called_as

    return called_as(sys.argv[0])


def _write_all_characters() -> None:
    """Let what the encoding of the standard output lacks be printed as escapes: a name must not end a finished run.

    One that was closed before the program began (`>&-`) is as one that nobody reads.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the program ends)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def command(name: str) -> Callable[[str, Sequence[str]], int]:
    """Return what runs a command: (what to call it in its help, the words that follow it) -> exit code."""
    return importlib.import_module(f"pycls.commands.{name.replace('-', '_')}").main
