"""What train, test and time give back, and the last lines that a person reads of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycls.core.distributed import is_main
from pycls.core.logging import print_line
from pycls.core.stop_signals import EXIT_STOPPED


@dataclass(frozen=True)
class Result:
    """Final figures of a run (errors in percent) and the files it wrote."""

    top1_err: float | None = None  # of the model, or of its EMA where that is lower
    top5_err: float | None = None
    loss: float | None = None
    count: int = 0  # images evaluated
    left_out: int = 0  # bad images that were not (DATA_LOADER.ON_BAD_IMAGE skip)
    best_top1_err: float | None = None  # lowest over the epochs of training
    epochs: int = 0  # finished epochs
    interrupted: bool = False  # stopped by a signal; the same command goes on
    files: list[Path] = field(default_factory=list)
    example: str = ""  # an image file of the evaluation
    mistakes: list[str] = field(default_factory=list)  # the surest ones, in words
    details: dict[str, Any] = field(default_factory=dict)  # measurements of `time`


def report(result: Result) -> int:
    """Print the outcome of a run, on the main process, and return the exit code."""
    exit_code = EXIT_STOPPED if result.interrupted else 0
    if not is_main():
        return exit_code
    if result.top1_err is not None:
        print_line(
            f"Top-1 accuracy {100 - result.top1_err:.2f} % (error {result.top1_err:.2f} %) on {result.count} images"
            + (f"; {_left_out(result.left_out)} LEFT OUT" if result.left_out else "")
        )
    elif result.epochs and not result.interrupted:
        print_line("No error is known, there were no images to evaluate on; the best checkpoint is the last")
    if result.mistakes:
        for line in ("Surest mistakes (true -> predicted):", *(f"  {mistake}" for mistake in result.mistakes)):
            print_line(line)
    if result.files:
        print_line("Files: " + ", ".join(_short(path) for path in result.files))
    return exit_code


def _left_out(count: int) -> str:
    return "1 image could not be read and was" if count == 1 else f"{count} images could not be read and were"


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
