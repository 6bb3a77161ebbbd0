"""Run a documented command in small, in a folder that is laid out like a checkout."""

import argparse
import contextlib
import functools
import io
import itertools
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from packaging.requirements import Requirement

from pycls.dataset_tools import validation
from pycls.datasets import fashion_mnist
from pycls.loader_benchmark import comparison, probe, pytorch_cls_table
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.measure.worker_main import JOBS
from tests.helpers.commands import pycls_here
from tests.helpers.documented.small import SMALL, small_words, zoo_words
from tests.helpers.documented.supplies import put, served, shelve
from tests.helpers.documented.words import expanded, kind_of
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_tool_here

Outcome = subprocess.CompletedProcess


class Stage:
    """A folder in which commands follow one another, and what they assign to variables of the shell."""

    def __init__(self, folder: Path):
        self.folder, self.variables, self.done = folder, dict[str, str](), []
        for name in ("tools", "configs", "docs"):
            (folder / name).symlink_to(ROOT / name)

    def fill(self, text: str) -> str:
        """Replace variables, and absolute paths by those of this folder."""
        for name, value in self.variables.items():
            text = text.replace(f"${name}", value)
        return text

    def supply(self, words: list[str]) -> list[str]:
        """Put what words name into the folder; return them with absolute paths turned into ones in it."""
        own = [word.removeprefix("/") if re.match(r"/(data|path|scratch)/", word) else word for word in words]
        for before, word in itertools.pairwise(["", *own]):
            if before != "OUT_DIR":
                put(word.rstrip("/"), self.folder)
        return own


@contextlib.contextmanager
def small_world() -> Iterator[None]:
    """Answer downloads with random weights, and let this process do what others would, which spares seconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pycls.core.weights.sources.download", served)
        patch.setattr(fashion_mnist, "DEBIAN_FOLDER", shelve("data/fashion_mnist"))
        patch.delenv("PYCLS_DATA_DIR", raising=False)
        for module in (comparison, probe, pytorch_cls_table):
            patch.setattr(module, "run_task", measure)
        patch.setattr(validation, "ProcessWorkers", WorkerHere)
        yield


def measure(task: Task, *_: object) -> dict[str, Any]:
    """Stand in for what measures a loader in a process of its own."""
    try:
        return JOBS[task.kind](task)
    except (ValueError, OSError, RuntimeError) as error:
        return {"error": str(error)}


class WorkerHere:
    """Stands in for the processes that check images."""

    def __init__(self, work: Callable[..., Any], num_workers: int):
        self.work = work

    def submit(self, *task: Any) -> Future:
        """Do the work at once."""
        done: Future = Future()
        done.set_result(self.work(*task))
        return done

    def close(self) -> None:
        """Nothing is left to end."""


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
    as_expected = "verify" in words and "DIFFERS" in done.stdout  # random weights
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
        raise ValueError(f"nothing here runs {words[0]}: see tests/helpers/documented/play.py and left_out.py")
    return PROGRAMS[words[0]]


# ---- our own tools


def run_our_tool(words: list[str], stage: Stage) -> Outcome:
    """Run a file of tools/ or `pycls COMMAND` with words that make it short; `torchrun` starts one process, this."""
    call, words = _our_call(words, stage)
    kind = command_of(call, words)
    if kind == "zoo" and words[0] == "verify":
        words = [*words, *zoo_words()]
    if kind in SMALL and "--help" not in words:
        printed = call(*_after_mode(words, "--print-cfg"))
        assert printed.returncode == 0, f"{shlex.join(words)}\n{printed.stderr}"
        words = [*words, *small_words(kind, words, printed.stdout)]
    return call(*words)


def _our_call(words: list[str], stage: Stage) -> tuple[Callable[..., Outcome], list[str]]:
    if words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        words = ["python", *(start := get_args_parser().parse_args(words[1:])).training_script_args]
        words.insert(1, start.training_script)
    if words[0] == "pycls":
        return functools.partial(pycls_here, cwd=stage.folder), words[1:]
    if words[:3] == ["python", "-m", "pycls"]:
        return functools.partial(pycls_here, cwd=stage.folder), words[3:]
    script = next(word for word in words if word.startswith("tools/"))
    return functools.partial(run_tool_here, Path(script).name, cwd=stage.folder), words[words.index(script) + 1 :]


def command_of(call: functools.partial, words: list[str]) -> str:
    """Return the first part of a command's name: train, test, compare, zoo ..."""
    if call.func is pycls_here:
        return words[0].split("-")[0]
    if call.args == ("run_net.py",):
        return words[words.index("--mode") + 1] if "--mode" in words else ""
    return re.search(r'run_file\("([a-z]+)', (ROOT / "tools" / call.args[0]).read_text())[1]


def _after_mode(words: list[str], option: str) -> list[str]:
    """Put an option before the others: `--mode train` and the name of a command stay in front."""
    start = 2 if words[0] == "--mode" else int(not words[0].startswith("-"))
    return [*words[:start], option, *words[start:]]


# ---- Python


def run_code(words: list[str], stage: Stage) -> Outcome:
    """Run `python -c CODE`."""
    return _printed(words, stage, lambda: exec(compile(words[2], "-c", "exec"), {"__name__": "__main__"}))


def run_module(words: list[str], stage: Stage) -> Outcome:
    """Run `python -m MODULE ARGUMENTS`."""
    return _printed(words, stage, lambda: runpy.run_module(words[2], run_name="__main__"))


def run_snippet(text: str, stage: Stage) -> None:
    """Run a block of Python."""
    for name in re.findall(r'"([\w./-]+)"', text):
        stage.supply([name])
    with contextlib.chdir(stage.folder):
        exec(compile(text, "block", "exec"), {"__name__": "__main__"})


def _printed(words: list[str], stage: Stage, act: Callable[[], object]) -> Outcome:
    out, code = io.StringIO(), 0
    argv = [words[2], *words[3:]]
    with (
        warnings.catch_warnings(action="ignore", category=RuntimeWarning),  # of modules imported before
        mock.patch.object(sys, "argv", argv),
        contextlib.chdir(stage.folder),
        contextlib.redirect_stdout(out),
    ):
        try:
            act()
        except SystemExit as end:
            code = end.code or 0
    return Outcome(words, code, out.getvalue(), "")


# ---- other programs


def run_pip(words: list[str], stage: Stage) -> Outcome:
    """See whether what would be installed is what is there: extras of this package, others in a version that fits."""
    wanted = [word for word in words[2:] if not word.startswith("-")]
    return Outcome(words, int(not all(map(_is_installed, wanted))), "", f"not as in this environment: {wanted}")


def _is_installed(name: str) -> bool:
    if name.startswith("."):
        extras = re.search(r"extras_require=\{(.*?)\}", (ROOT / "setup.py").read_text(), re.DOTALL)[1]
        return set(re.findall(r"\w+", name)) <= set(re.findall(r'"(\w+)":', extras))
    need = Requirement(name)
    installed = {package.name: package.version for package in metadata.distributions(name=need.name)}
    return any(need.specifier.contains(version) for version in installed.values())


def run_shell(words: list[str], stage: Stage) -> Outcome:
    """Run a small program of the system in the folder of the commands."""
    assert not any(word.startswith(("/", "~")) or ".." in word for word in words[1:]), "outside of its folder"
    return subprocess.run(words, cwd=stage.folder, capture_output=True, text=True)


def run_make(words: list[str], stage: Stage) -> Outcome:
    """See what make would do."""
    return subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)


PROGRAMS = {"pip": run_pip, "make": run_make, "rm": run_shell, "mkdir": run_shell, "ls": run_shell, "cp": run_shell}


# ---- reading words only


class _Read(Exception):
    """The words of a command were understood."""


def read_only(words: list[str], stage: Stage) -> None:
    """Let a program of ours read its words, and stop it then; AssertionError if it does not understand them."""

    def reading(parse: Callable) -> Callable:
        def read(parser: argparse.ArgumentParser, *args, **kwargs):
            parse(parser, *args, **kwargs)
            raise _Read

        return read

    errors = io.StringIO()
    names = ("parse_args", "parse_intermixed_args")
    patches = {name: reading(getattr(argparse.ArgumentParser, name)) for name in names}
    with mock.patch.multiple(argparse.ArgumentParser, **patches), contextlib.redirect_stderr(errors):
        try:
            done = run_module(words, stage) if words[1] == "-m" else _our_call(words, stage)[0](*words[2:])
        except _Read:
            return
    raise AssertionError(f"{done.stderr}{errors.getvalue()}")


def check_options(words: list[str], stage: Stage) -> None:
    """Look for the options of a tool that is only mentioned, `tools/info_net.py --fvcore`, in its --help."""
    call, own = _our_call(words, stage)
    mode = own[:2] if own[0] == "--mode" else []
    told = call(*mode, "--help")
    assert told.returncode == 0, told.stderr
    missing = [word for word in own if word.startswith("--") and word not in told.stdout and word != "--mode"]
    assert not missing, f"{words[0]} has no {missing}"
