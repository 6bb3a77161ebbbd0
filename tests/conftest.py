"""Tests marked `gpu` run only where a CUDA device is; every test keeps its log to itself."""

import logging
import os
import signal
import sys

# Before torch is imported. Two processes test on two cores: a thread each takes a seventh less than two do.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the tools set it

from collections.abc import Callable, Iterator

import pytest
import torch

from pycls.core.stop_signals import STOP_SIGNALS
from pycls.datasets.readers.samples import FileSamples
from pycls.engine.reporting import plots
from tests.helpers.photographs import write_photographs


def pytest_collection_modifyitems(items):
    """Skip GPU tests without a GPU."""
    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="needs a CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as it was: a tool that runs in this process sets it up."""
    package = logging.getLogger("pycls")
    before = package.handlers[:], package.level, package.propagate
    yield
    package.handlers[:], package.level, package.propagate = before


_SIGNALS = {number: signal.getsignal(number) for number in STOP_SIGNALS}


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Set the handlers as they were: a tool, which is a whole program, keeps its own until the end."""
    hook = sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for number, handler in _SIGNALS.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> FileSamples:
    """Real photographs in every kind of file."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))


@pytest.fixture(scope="session", autouse=True)
def draw() -> Iterator[Callable]:
    """Leave pictures empty, as drawing two takes longer than an epoch; yield what draws them."""
    real = plots._save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_save", lambda figure, path: path.touch())
        yield real
