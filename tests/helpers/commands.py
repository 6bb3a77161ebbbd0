"""The command `pycls` as a user runs it, in this process or in one of its own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from pycls.commands import main
from tests.helpers.paths import ROOT


def pycls_here(*words: Any, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run `pycls WORDS` in this process, which spares seconds: torch is imported already."""
    command, out, err = ["pycls", *map(str, words)], io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", list(command)),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main()
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def pycls_process(*words: Any, cwd: Path, library: Path = ROOT) -> subprocess.CompletedProcess:
    """Run `python -m pycls WORDS` in a folder, with the package that lies in `library`."""
    command = [sys.executable, "-m", "pycls", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(library)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200)
