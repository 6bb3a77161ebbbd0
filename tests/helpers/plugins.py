"""Modules with code from outside, as a user has them in the current folder, which leave nothing behind."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from pycls.core import plugins
from pycls.core.config import defaults
from pycls.models import MODELS

MINE = """
from torch import nn
from pycls.core.config import add_section
from pycls.models import MODELS

add_section("MINE", {"WIDTH": 16})


def build_mine(cfg):
    pool, fc = nn.AdaptiveAvgPool2d(2), nn.Linear(4 * cfg.MINE.WIDTH, cfg.MODEL.NUM_CLASSES)
    return nn.Sequential(nn.Conv2d(3, cfg.MINE.WIDTH, 3), pool, nn.Flatten(), fc)


MODELS["mine"] = build_mine
"""


@contextlib.contextmanager
def nothing_from_outside(folder: Path) -> Iterator[Path]:
    """Start in a folder as a process to which nothing from outside has come; afterwards it is as it was."""
    path, models = list(sys.path), dict(MODELS)
    with (
        mock.patch.object(plugins, "_asked_for", []),
        mock.patch.object(defaults, "_OUTSIDE", {}),
        mock.patch.object(sys, "dont_write_bytecode", True),
        contextlib.chdir(folder),
    ):
        yield folder
        for name in {*plugins._asked_for, *(file.stem for file in folder.glob("*.py"))}:
            sys.modules.pop(name, None)
    sys.path[:] = path
    for name in MODELS.keys() - models.keys():
        del MODELS[name]


def write_marked(folder: Path, name: str = "marked") -> Path:
    """Write a module that writes a file when it is imported; return that file."""
    mark = folder / f"{name}-was-imported"
    (folder / f"{name}.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")
    return mark
