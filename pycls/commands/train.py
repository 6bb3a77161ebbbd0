"""Train a network."""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from pycls.core.cli import build_parser, run_tool

DESCRIPTION = """Train a network as a config says, evaluate it after every epoch, and save checkpoints.

The same command goes on from the newest checkpoint in OUT_DIR. SIGTERM, SIGINT (Ctrl-C), SIGUSR1, SIGUSR2 and SIGHUP
stop cleanly after the step that runs: the state is saved and the exit code is 75. Other exit codes: 0 done, 1 training
failed (the loss is not finite, say), 2 bad input, 130 a second Ctrl-C. Several GPUs: NUM_GPUS 8, or torchrun for
several nodes (docs/SCALE.md: what it says when a process is gone)."""
EXAMPLE = "--cfg configs/quickstart/digits.yaml OUT_DIR runs/mine OPTIM.MAX_EPOCH 5"


def act(cfg: CfgNode, args: argparse.Namespace) -> int:
    """Train, print the outcome, and how to use the network on one of the images."""
    from pycls.core.checkpoint import best_path
    from pycls.core.logging import print_line
    from pycls.engine import train
    from pycls.engine.reporting.result import report

    result = train(cfg)
    exit_code = report(result)
    if result.example and not result.interrupted:
        words = [*sibling_command(sys.argv[0], "predict"), result.example, "--weights", str(best_path(cfg.OUT_DIR))]
        print_line(f"To predict: {shlex.join(words)}")
    return exit_code


def sibling_command(program: str, name: str) -> list[str]:
    """Return the words that call another command from this folder, as this one was called (sys.argv[0])."""
    path = Path(program)
    if path.name == "__main__.py":
        return [_python(), "-m", "pycls", name]
    if path.suffix == ".py":
        return [_python(), str(path.with_name(f"{name.replace('-', '_')}.py"))]
    return [path.name if _is_found(path.name, path) else program, name]


def _python() -> str:
    """Return what calls this Python: its name where that is found, else its path."""
    return "python" if _is_found("python", Path(sys.executable)) else os.path.relpath(sys.executable)


def _is_found(name: str, path: Path) -> bool:
    """Tell whether a shell that is asked for the name runs the file."""
    found = shutil.which(name)
    return found is not None and os.path.realpath(found) == os.path.realpath(path)


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_tool(build_parser(prog, DESCRIPTION, EXAMPLE), act, words, "train")
