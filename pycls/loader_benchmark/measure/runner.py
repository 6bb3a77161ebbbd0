"""Run each measurement in a process of its own: nothing that one leaves behind can touch the next."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pycls
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.measure.worker_main import ANSWER

# The cell's main module must be an empty one, as worker processes that are started afresh import it again.
_PROGRAM = """import os, sys
from pycls.core.processes.starting import die_with_parent
die_with_parent()
if os.getppid() != int(os.environ["PYCLS_CELL_PARENT"]):
    sys.exit(1)
if len(sys.argv) > 1:
    os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
from pycls.loader_benchmark.measure.worker_main import main
main()"""
TIMEOUT_SEC = 600.0


def run_task(task: Task, cores: list[int] | None = None, timeout_sec: float = TIMEOUT_SEC) -> dict[str, Any]:
    """Return a task's result, or {"error": sentence} however it fails; on `cores` only, when given."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, *([",".join(map(str, cores))] if cores else [])]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        start_new_session=True,  # Ctrl-C is for the tool, which ends this group itself
    )
    try:
        out, err = process.communicate(json.dumps(asdict(task)), timeout_sec)
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {timeout_sec:.0f} s"}
    finally:
        _end(process)
    return _answer(out) or {"error": _last_words(process.returncode, err)}


def _environment() -> dict[str, str]:
    """Return the environment with this package first on the path, however it was found here."""
    path = [str(Path(pycls.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "PYCLS_CELL_PARENT": str(os.getpid())}


def _end(process: subprocess.Popen) -> None:
    """Kill what is left of a cell: its whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answer(out: str) -> dict[str, Any] | None:
    lines = [line for line in out.splitlines() if line.startswith(ANSWER)]
    return json.loads(lines[-1].removeprefix(ANSWER)) if lines else None


def _last_words(code: int, err: str) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return f"{how}: {lines[-1][:300]}" if lines else how
