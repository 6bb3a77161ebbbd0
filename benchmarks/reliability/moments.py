"""Moments in a training, told by what it calls: operations on its files, and phases; seen from inside its process."""

import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Phases are functions, on whose n-th call a clock is started that kills within it.
PHASES = {
    "train": ("pycls.engine.train", "train_epoch"),
    "evaluate": ("pycls.engine.train", "evaluate"),
    "save": ("pycls.engine.checkpointing", "save_checkpoint"),
}
_FILE_EVENTS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"}


def later(delay: float, act: Callable[[], None]) -> None:
    """Do something after so many seconds, unless the process has ended by then."""
    timer = threading.Timer(delay, act)
    timer.daemon = True
    timer.start()


def count_file_operations(folder: Path, see: Callable[[int], None]) -> None:
    """Call `see(count)` before every operation of this process on a file below a folder."""
    count = 0

    def hook(event: str, args: tuple) -> None:
        nonlocal count
        if event in _FILE_EVENTS and str(args[0]).startswith(str(folder)):
            count += 1
            see(count)

    sys.addaudithook(hook)


def count_calls(phase: str, see: Callable[[int], None]) -> None:
    """Call `see(count)` before every call of a phase's function."""
    module_name, name = PHASES[phase]
    module = importlib.import_module(module_name)
    real, count = getattr(module, name), 0

    def counted(*args: Any, **keys: Any) -> Any:
        nonlocal count
        count += 1
        see(count)
        return real(*args, **keys)

    setattr(module, name, counted)
