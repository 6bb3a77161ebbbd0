"""Where documented commands are run: a folder laid out like a checkout, and a world that is small."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from pycls.dataset_tools import validation
from pycls.datasets import digits, fashion_mnist
from pycls.loader_benchmark import comparison, probe, pytorch_cls_table
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.measure.worker_main import JOBS
from tests.helpers.documented.supplies import put, served, shelve
from tests.helpers.documented.words import kind_of
from tests.helpers.paths import ROOT


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
        trains = kind_of(words) == "train"
        for before, word in itertools.pairwise(["", *own]):
            if before != "OUT_DIR" or not trains:
                put(word.rstrip("/"), self.folder)
        return own


@contextlib.contextmanager
def small_world() -> Iterator[None]:
    """Answer downloads with random weights, and let this process do what others would, which spares seconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pycls.core.weights.sources.download", served)
        few_digits = shelve("data/digits")
        patch.setattr(digits, "export_digits", lambda: few_digits)
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
