"""What train, test and time give back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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
    details: dict[str, Any] = field(default_factory=dict)  # measurements of `time`
