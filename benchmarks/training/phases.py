"""One training run, split into the parts that its wall time went to; fixed_costs.py starts it in a fresh process.

    python -m benchmarks.training.phases BEGAN FILE [KEY VALUE ...]      BEGAN: time.time() when the command was given

Prints one line of JSON: seconds of each part without those inside it, when the first step had ended, and the gaps
between the last step of an epoch and the first of the next.
"""

import functools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any
from unittest import mock

# What is called for each part, as "module: name"; train_epoch is the loader's start, the steps and the log lines.
_PARTS = {
    "data set": ("pycls.engine.run: build_loader",),
    "network": (
        "pycls.engine.run: build_state",
        "pycls.engine.run: build_stepper",
        "pycls.engine.recorder: complexity",
    ),
    "train": ("pycls.engine.train: train_epoch",),
    "precise BN": ("pycls.engine.train: refresh_statistics",),
    "evaluate": ("pycls.engine.train: evaluate_run",),
    "save": ("pycls.engine.epoch: save", *(f"pycls.engine.train: {name}" for name in ("save_epoch", "finish_saving"))),
    "pictures": ("pycls.engine.train: finish",),
}


class Phases:
    """Seconds of named parts since the command; what runs inside another part counts for itself only."""

    def __init__(self, began: float):
        self._now = time.time() - began
        self._origin = time.perf_counter() - self._now
        self.seconds: dict[str, float] = defaultdict(float, {"start Python": self._now})
        self._open = ["other"]

    def lap(self) -> float:
        """Give the time since the last lap to the part that is open; return the seconds since the command."""
        last, self._now = self._now, time.perf_counter() - self._origin
        self.seconds[self._open[-1]] += self._now - last
        return self._now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block for a part."""
        self.lap()
        self._open.append(name)
        try:
            yield
        finally:
            self.lap()
            self._open.pop()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, counted for a part."""

        @functools.wraps(call)
        def call_in_part(*words: Any, **keys: Any) -> Any:
            with self.part(name):
                return call(*words, **keys)

        return call_in_part


class Steps:
    """Where each step began and ended, in seconds since the command, and what was spent on evaluation until then."""

    def __init__(self, phases: Phases, step: Callable[..., Any]):
        self._phases, self._step = phases, step
        self.began: list[tuple[float, float]] = []
        self.ended: list[tuple[float, float]] = []

    def take(self, stepper: Any, *words: Any) -> Any:
        """Take a step."""
        self.began.append(self._moment())
        result = self._step(stepper, *words)
        self.ended.append(self._moment())
        return result

    def gaps(self) -> list[float]:
        """Return the seconds from each epoch to the next, without precise batch norm and evaluation."""
        pairs = zip(self.ended, self.began[1:], strict=False)
        return [(start - end) - (after - before) for (end, before), (start, after) in pairs if after > before]

    def lengths(self) -> list[float]:
        """Return the seconds of each step."""
        return [end - start for (start, _), (end, _) in zip(self.began, self.ended, strict=True)]

    def _moment(self) -> tuple[float, float]:
        now, seconds = self._phases.lap(), self._phases.seconds
        return now, seconds["evaluate"] + seconds["precise BN"]


def run(began: float, cfg_file: str, overrides: list[str]) -> dict[str, Any]:
    """Train as the config says and return the figures."""
    phases = Phases(began)
    with phases.part("import torch"):
        import torch
    with phases.part("import pycls"):
        from pycls.core.config import load_cfg
        from pycls.engine import train
        from pycls.engine.step import Stepper
    with phases.part("import torch's compiler"):
        import torch._dynamo  # noqa: F401 - torch's optimizers do
    steps = Steps(phases, Stepper.step)
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(Stepper, "step", lambda *words: steps.take(*words)))
        for part, (module, name) in ((part, place.split(": ")) for part, places in _PARTS.items() for place in places):
            owner = sys.modules[module]  # pycls.engine.train is a function, too
            patches.enter_context(mock.patch.object(owner, name, phases.timed(part, getattr(owner, name))))
        train(load_cfg(cfg_file, overrides))
    total, lengths = phases.lap(), steps.lengths()
    compile_sec = max(0.0, lengths[0] - median(lengths[1:]))  # and whatever else only the first step does
    phases.seconds["train"] -= compile_sec
    seconds = {**phases.seconds, "first step's surplus": compile_sec}
    return {"total": total, "seconds": seconds, "first_step": steps.ended[0][0], "gaps": steps.gaps()}


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]), sys.argv[2], sys.argv[3:])))
