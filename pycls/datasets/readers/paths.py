"""Where data sets are looked for."""

import os
from collections.abc import Sequence
from pathlib import Path

from pycls.core.paths import expand_path

VARIABLE = "PYCLS_DATA_DIR"


def has_data_root(data_dir: str) -> bool:
    """Tell whether the key DATA_DIR or the environment variable names a data folder."""
    return bool(data_dir or os.environ.get(VARIABLE))


def data_root(data_dir: str) -> Path:
    """Return the data folder: the key DATA_DIR, else the environment variable PYCLS_DATA_DIR; neither: ValueError."""
    source, named = named_root(data_dir)
    root = Path(expand_path(named, source))
    if not root.is_dir():
        raise ValueError(f"{source}: {named} is not a folder")
    return root


def named_root(data_dir: str) -> tuple[str, str]:
    """Return what names the data, the key or the variable, and its value; ValueError if neither does."""
    if not has_data_root(data_dir):
        raise ValueError(f"no data folder given: set the key DATA_DIR or the environment variable {VARIABLE} to it")
    return ("DATA_DIR", data_dir) if data_dir else (VARIABLE, os.environ[VARIABLE])


def find_file(folders: Sequence[Path], names: Sequence[str], advice: str) -> Path:
    """Return the first existing folder/name; raise ValueError with the places looked at and what to do."""
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    raise ValueError(f"no {names[0]} in {' or '.join(map(str, folders))}: {advice}")
