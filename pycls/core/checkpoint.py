"""Checkpoint files: written atomically, verified, pruned, found again; core/weights reads weights from them.

A file holds tensors and plain types only, so it loads with `weights_only=True` and cannot run code.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch

from pycls.core.atomic_io import UNFINISHED, atomic_file, rename_durably, unfinished_name
from pycls.core.logging import get_logger
from pycls.core.weights import LoadReport as LoadReport
from pycls.core.weights import load_weights as load_weights
from pycls.core.weights.files import check_whole, first_line, load_checkpoint

logger = get_logger(__name__)

_EPOCH_FILE = re.compile(r"model_epoch_(\d+)\.pyth")


def checkpoint_dir(out_dir: str | Path) -> Path:
    """Return the folder that holds a run's checkpoints."""
    return Path(out_dir) / "checkpoints"


def last_path(out_dir: str | Path) -> Path:
    """Return the file of the newest state."""
    return checkpoint_dir(out_dir) / "last.pyth"


def best_path(out_dir: str | Path) -> Path:
    """Return the file of the state with the lowest top-1 error so far."""
    return checkpoint_dir(out_dir) / "best.pyth"


def epoch_path(out_dir: str | Path, num_epochs: int) -> Path:
    """Return the file of the state after `num_epochs` finished epochs, named as pycls names it."""
    return checkpoint_dir(out_dir) / f"model_epoch_{num_epochs:04d}.pyth"


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a state so that `path` is always a whole file: temporary file, fsync, read back, rename.

    Raises OSError when it cannot be written (disk full, say); what was saved before is untouched.
    """
    _write_whole(path, lambda file: torch.save(state, file))


def save_safetensors(tensors: dict[str, torch.Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write tensors as a safetensors file, just as safely; those that share memory become copies."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    _write_whole(path, lambda file: file.write(safetensors.torch.save(plain, {"format": "pt", **metadata})))


def link_checkpoint(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, atomically; a copy where the file system has no hard links."""
    if target.exists() and target.samefile(source):
        return
    linked = unfinished_name(target)
    try:
        os.link(source, linked)
    except OSError:
        with source.open("rb") as read, atomic_file(target) as write:
            shutil.copyfileobj(read, write)
    else:
        rename_durably(linked, target)


def remove_temporaries(out_dir: str | Path) -> None:
    """Delete what a killed process left half written: checkpoints, records, tables, pages."""
    for path in (*checkpoint_dir(out_dir).glob(".*.tmp"), *Path(out_dir).glob(UNFINISHED)):
        path.unlink(missing_ok=True)


def prune_checkpoints(out_dir: str | Path, keep: int) -> None:
    """Delete all but the newest `keep` epoch files (0 keeps all); `last` and `best` stay."""
    for path in _epoch_files(out_dir)[keep:] if keep else []:
        path.unlink(missing_ok=True)


def load_newest(out_dir: str | Path) -> tuple[dict[str, Any], Path] | None:
    """Return the newest readable state of a run and its file, None for a fresh run; damaged ones are passed over."""
    candidates = (last_path(out_dir), *_epoch_files(out_dir), best_path(out_dir))
    paths = [path for path in candidates if path.exists()]
    for path in paths:
        try:
            return load_checkpoint(path), path
        except ValueError as error:
            logger.warning("%s; falling back to the one before", error)
    if paths:
        folder = checkpoint_dir(out_dir)
        raise ValueError(f"{folder}: none of {len(paths)} checkpoints can be read; move it away to start afresh")
    return None


def _epoch_files(out_dir: str | Path) -> list[Path]:
    """Return the epoch files, newest first, by number (pycls sorts them as text)."""
    folder = checkpoint_dir(out_dir)
    found = [(int(match[1]), path) for path in folder.glob("*.pyth") if (match := _EPOCH_FILE.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_file(path, check=check_whole) as file:
            write(file)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:  # torch.save: RuntimeError on a full disk
        reason = first_line(error)
        raise OSError(f"{path}: could not be saved ({reason}); what was saved before is untouched") from error
