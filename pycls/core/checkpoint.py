"""Checkpoint files: written atomically, verified, pruned, found again; core/weights reads weights from them.

A file holds tensors and plain types only, so it loads with `weights_only=True` and cannot run code.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
import torch

from pycls.core.atomic_io import UNFINISHED, atomic_file, rename_durably, set_aside, unfinished_name
from pycls.core.registry import first_line
from pycls.core.tensor_files.contents import check_contents
from pycls.core.tensor_files.header_digest import with_digest, with_place
from pycls.core.tensor_files.seal import seal
from pycls.core.weights import LoadReport as LoadReport
from pycls.core.weights import load_weights as load_weights
from pycls.core.weights.files import NetworkBytes, load_checkpoint
from pycls.core.weights.parts import UnreadableFile

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

    def write(file: BinaryIO) -> None:
        torch.save(state, file)
        seal(file)

    _write_whole(path, write, check_contents)


def save_safetensors(tensors: dict[str, torch.Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write tensors as a safetensors file, just as safely; those that share memory become copies."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    content = with_digest(safetensors.torch.save(plain, with_place({"format": "pt", **metadata})))
    _write_whole(path, lambda file: file.write(content), lambda file: _check_equal(file.read(), content))


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
        if not path.is_dir():
            path.unlink(missing_ok=True)


def prune_checkpoints(out_dir: str | Path, keep: int) -> None:
    """Delete all but the newest `keep` epoch files (0 keeps all); `last` and `best` stay."""
    for path in _epoch_files(out_dir)[keep:] if keep else []:
        path.unlink(missing_ok=True)


class Newest(NamedTuple):
    """The newest state of a run that can be used, its file, and why each newer one cannot."""

    saved: dict[str, Any]
    path: Path
    passed_over: dict[Path, str]


def load_newest(
    out_dir: str | Path,
    accept: Callable[[dict[str, Any], Path], Any] = lambda saved, path: None,
    network_bytes: NetworkBytes | None = None,
) -> Newest | None:
    """Return the newest state of a run that can be read and that `accept` takes, None for a fresh run.

    UnreadableFile passes a file over, `accept` may raise it, too; with none left it is a ValueError: what is there is
    not begun anew. `network_bytes`: the size of the run's network.
    """
    candidates = (last_path(out_dir), *_epoch_files(out_dir), best_path(out_dir))
    paths = [path for path in candidates if os.path.lexists(path)]
    passed_over: dict[Path, str] = {}
    for path in paths:
        try:
            saved = load_checkpoint(path, network_bytes)
            accept(saved, path)
            return Newest(saved, path, passed_over)
        except UnreadableFile as error:
            passed_over[path] = str(error)
    if paths:
        others = f"; none of {len(paths)} checkpoints there can be used" if len(paths) > 1 else ""
        raise ValueError(f"{passed_over[paths[0]]}{others}: move {checkpoint_dir(out_dir)} away to start afresh")
    return None


def folders_aside(out_dir: str | Path) -> dict[Path, Path]:
    """Rename the folders that have a checkpoint's name, which could not be written over; return old and new names."""
    paths = (last_path(out_dir), best_path(out_dir), *_epoch_files(out_dir))
    return {path: set_aside(path) for path in paths if path.is_dir()}


def _epoch_files(out_dir: str | Path) -> list[Path]:
    """Return the epoch files, newest first, by number (pycls sorts them as text); ValueError for an odd folder."""
    folder = checkpoint_dir(out_dir)
    if not os.path.lexists(folder):
        return []
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise ValueError(f"{folder}: is no folder that can be listed ({error.strerror}); move it away") from None
    found = [(int(match[1]), folder / name) for name in names if (match := _EPOCH_FILE.fullmatch(name))]
    return [path for _, path in sorted(found, reverse=True)]


def _check_equal(written: bytes, content: bytes) -> None:
    if written != content:
        raise ValueError("what was written is not what can be read")


def _write_whole(path: Path, write: Callable[[BinaryIO], Any], check: Callable[[BinaryIO], Any]) -> None:
    """Write a file that gets its name after it has been read back."""

    def check_file(written: Path) -> None:
        with written.open("rb") as file:
            check(file)

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_file(path, check=check_file) as file:
            write(file)
    except (OSError, RuntimeError, ValueError) as error:  # torch.save: RuntimeError on a full disk
        reason = first_line(error)
        raise OSError(f"{path}: could not be saved ({reason}); what was saved before is untouched") from error
