"""The last lines a person reads: figures and files."""

import os
from pathlib import Path

from pycls.core.distributed import is_main
from pycls.engine.reporting.result import Result
from pycls.core.stop_signals import EXIT_STOPPED


def report(result: Result) -> int:
    """Print the outcome of a run, on the main process, and return the exit code."""
    exit_code = EXIT_STOPPED if result.interrupted else 0
    if not is_main():
        return exit_code
    if result.top1_err is not None:
        print(
            f"Top-1 accuracy {100 - result.top1_err:.2f} % (error {result.top1_err:.2f} %) on {result.count} images"
            + (f"; {result.left_out} images could not be read and were LEFT OUT" if result.left_out else ""),
            flush=True,
        )
    if result.files:
        print("Files: " + ", ".join(_short(path) for path in result.files))
    return exit_code


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
