"""What a command does that is none of our tools: Python, pip, make, small programs of the system."""

import contextlib
import io
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from unittest import mock

from packaging.requirements import Requirement

from tests.helpers.documented.stage import Stage
from tests.helpers.paths import ROOT

Outcome = subprocess.CompletedProcess


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
