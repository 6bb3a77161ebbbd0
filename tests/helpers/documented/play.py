"""Run a documented command in small; a failure names page, line and command."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.documented.find import Command
from tests.helpers.documented.left_out import reason
from tests.helpers.documented.programs import PROGRAMS, Outcome, run_code, run_module
from tests.helpers.documented.stage import Stage
from tests.helpers.documented.tools import read_only, run_our_tool
from tests.helpers.documented.words import expanded, kind_of


def do(command: Command, stage: Stage) -> None:
    """Run a command, or let a tool of ours read its words if it is left out; fail by its place."""
    failure = None
    try:
        if reason(command.text) is None:
            play(command.text, stage)
        elif kind_of(words := shlex.split(command.text)) or words[:2] == ["python", "-m"]:
            read_only(words, stage)
    except (AssertionError, ValueError, KeyError, OSError) as error:
        failure = error
    if failure is not None:
        pytest.fail(f"{command.place}: {command.text}\n{failure}", pytrace=False)


def play(text: str, stage: Stage) -> None:
    """Run what a printed command stands for; AssertionError, ValueError if it does not run."""
    for part in text.split(" && "):
        assigned = re.fullmatch(r"(\w+)=\$\((.*)\)", part, re.DOTALL)
        if assigned:
            (words,) = expanded(assigned[2])
            stage.variables[assigned[1]] = run(words, stage).stdout.strip()
            continue
        for words in expanded(stage.fill(part)):
            run(words, stage)


def run(words: list[str], stage: Stage) -> Outcome:
    """Run one command; AssertionError with what it said if it fails."""
    words, target = _redirected(stage.supply(words))
    done = runner_of(words)(words, stage)
    as_expected = "verify" in words and "differs" in done.stdout  # random weights
    said = f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr}"
    assert not done.returncode or as_expected, f"{shlex.join(words)}\n{said}"
    if target:
        (stage.folder / target).write_text(done.stdout)
    return done


def _redirected(words: list[str]) -> tuple[list[str], str]:
    return (words[:-2], Path(words[-1]).name) if words[-2:-1] == [">"] else (words, "")


def runner_of(words: list[str]) -> Callable[[list[str], Stage], Outcome]:
    """Return what runs a command, by its first words."""
    if kind_of(words) or words[0] == "pycls":
        return run_our_tool
    if words[0] == "python":
        return {"-c": run_code, "-m": run_module}[words[1]]
    if words[0] not in PROGRAMS:
        raise ValueError(f"nothing here runs {words[0]}: see tests/helpers/documented/programs.py and left_out.py")
    return PROGRAMS[words[0]]
