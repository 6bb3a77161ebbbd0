"""Run our own tools as the documentation calls them, made short; or let them only read their words."""

import argparse
import contextlib
import functools
import io
import shlex
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from torch.distributed.run import get_args_parser

from tests.helpers.commands import pycls_here
from tests.helpers.documented.programs import Outcome, run_module
from tests.helpers.documented.small import SMALL, small_words, zoo_words
from tests.helpers.documented.stage import Stage
from tests.helpers.documented.words import kind_of
from tests.helpers.runs import run_tool_here


def run_our_tool(words: list[str], stage: Stage) -> Outcome:
    """Run a file of tools/ or `pycls COMMAND` with words that make it short; `torchrun` starts one process, this."""
    kind = kind_of(words)
    call, words = _our_call(words, stage)
    if kind == "zoo" and words[0] == "verify":
        words = [*words, *zoo_words()]
    if kind in SMALL and "--help" not in words:
        printed = call(*_after_mode(words, "--print-cfg"))
        assert printed.returncode == 0, f"{shlex.join(words)}\n{printed.stderr}"
        words = [*words, *small_words(kind, words, printed.stdout)]
    return call(*words)


def _our_call(words: list[str], stage: Stage) -> tuple[Callable[..., Outcome], list[str]]:
    if words[0] == "torchrun":
        start = get_args_parser().parse_args(words[1:])
        words = ["python", start.training_script, *start.training_script_args]
    if words[0] == "pycls":
        return functools.partial(pycls_here, cwd=stage.folder), words[1:]
    if words[:3] == ["python", "-m", "pycls"]:
        return functools.partial(pycls_here, cwd=stage.folder), words[3:]
    script = next(word for word in words if word.startswith("tools/"))
    return functools.partial(run_tool_here, Path(script).name, cwd=stage.folder), words[words.index(script) + 1 :]


def _after_mode(words: list[str], option: str) -> list[str]:
    """Put an option before the others: `--mode train` and the name of a command stay in front."""
    start = 2 if words[0] == "--mode" else int(not words[0].startswith("-"))
    return [*words[:start], option, *words[start:]]


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
            if kind_of(words):
                call, own = _our_call(words, stage)
                done = call(*own)
            else:
                done = run_module(words, stage)
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
