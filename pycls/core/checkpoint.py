"""Checkpoint files: written atomically, verified, pruned, found again; and weights read from ours and pycls's files.

A file holds tensors and plain types only, so it loads with `weights_only=True` and cannot run code.
"""

import os
import re
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from pycls.core.logging import get_logger
from pycls.core.published_names import todays_names

logger = get_logger(__name__)

_EPOCH_FILE = re.compile(r"model_epoch_(\d+)\.pyth")


# ---- files


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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        _check_whole(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:  # torch.save: RuntimeError on a full disk
        reason = _first_line(error)
        raise OSError(f"{path}: could not be saved ({reason}); what was saved before is untouched") from error
    finally:
        temporary.unlink(missing_ok=True)
    _fsync_folder(path.parent)


def link_checkpoint(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, atomically; a copy where the file system has no hard links."""
    if target.exists() and target.samefile(source):
        return
    temporary = _temporary(target)
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        _copy(source, temporary)
    os.replace(temporary, target)
    _fsync_folder(target.parent)


def remove_temporaries(out_dir: str | Path) -> None:
    """Delete what a killed process left half written."""
    for path in checkpoint_dir(out_dir).glob(".*.tmp"):
        path.unlink(missing_ok=True)


def prune_checkpoints(out_dir: str | Path, keep: int) -> None:
    """Delete all but the newest `keep` epoch files (0 keeps all); `last` and `best` stay."""
    for path in _epoch_files(out_dir)[keep:] if keep else []:
        path.unlink(missing_ok=True)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return the state in a file, tensors on the CPU; a missing, cut off, damaged or foreign file raises ValueError.

    A file that is there but cannot be read just now (OSError) is not called damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        _check_whole(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch.load raises many types for a damaged or hostile file
        raise ValueError(f"{path}: not a readable checkpoint ({_first_line(error)})") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path}: expected a checkpoint dictionary, found {type(state).__name__}")
    return state


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


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as write:
        shutil.copyfileobj(read, write)
        write.flush()
        os.fsync(write.fileno())


def _check_whole(path: Path) -> None:
    """Raise unless every record's checksum is right; files of torch < 1.6 are not archives and are left to torch."""
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    if is_archive:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"record {damaged} is damaged")


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# ---- weights


@dataclass
class LoadReport:
    """What `load_weights` did: names of tensors, and the layout of the file."""

    layout: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # in the model, not in the file
    unexpected: list[str] = field(default_factory=list)  # in the file, not in the model
    reinitialised: list[str] = field(default_factory=list)  # a classifier of another size keeps its fresh values
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{len(self.matched)} tensors matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected"
        names = f"; re-initialised: {', '.join(self.reinitialised)}" if self.reinitialised else ""
        return f"{self.layout}: {counts}{names}" + "".join(f"; {note}" for note in self.notes)


def load_weights(model: nn.Module, path: str | Path) -> LoadReport:
    """Fill a model from a checkpoint of ours or of pycls (whose BGR stem becomes RGB) and report what was done.

    A classifier of another size keeps its fresh values. ValueError when less than 90 % of the other tensors match.
    """
    layout, weights, notes = _read_weights(load_checkpoint(path), path)
    report = _match(model.state_dict(), weights, layout)
    report.notes.extend(notes)
    _check_enough(report, path)
    filled = model.state_dict()  # with the version numbers that some networks (MnasNet) ask for
    filled.update((name, weights[name]) for name in report.matched)
    model.load_state_dict(filled)
    return report


def _read_weights(state: dict[str, Any], path: str | Path) -> tuple[str, dict[str, torch.Tensor], list[str]]:
    name = _better_of(state)
    weights = state.get(name, state)
    weights = {_clean(key): value for key, value in weights.items() if isinstance(value, torch.Tensor)}
    weights = {key: value for key, value in todays_names(weights).items() if not key.endswith(_COUNTER_BUFFERS)}
    if not weights:
        raise ValueError(f"{path}: holds no weights (keys: {', '.join(map(str, list(state)[:8]))})")
    if "pixels" in state:
        return "pycls checkpoint of this version", weights, [f"from {name}"]
    if name not in state:
        return "plain state_dict", weights, []
    notes = [f"from {name}"]
    if _trained_on_bgr(state.get("cfg", "")):
        notes.append(f"{_flip_stem(weights)} converted from BGR to RGB")
    return "pycls .pyth", weights, notes


def _better_of(state: dict[str, Any]) -> str:
    """Return the key of the weights with the lower recorded error, the model's on a tie (as pycls)."""
    errors = state.get("test_err"), state.get("ema_err")
    known = all(isinstance(error, (int, float)) for error in errors)
    return (
        "ema_state"
        if "ema_state" in state and state["ema_state"] and known and errors[1] < errors[0]
        else "model_state"
    )


_COUNTER_BUFFERS = ("total_ops", "total_params", "total_acts")  # left behind in files of pytorch-cls


def _clean(key: str) -> str:
    """Drop the prefixes of wrappers (DistributedDataParallel, torch.compile)."""
    while key.startswith(("module.", "_orig_mod.")):
        key = key.split(".", 1)[1]
    return key


def _trained_on_bgr(cfg_text: str) -> bool:
    """Tell whether a pycls file's network expects BGR planes: its OpenCV loader does so, except for CIFAR."""
    tree = _read_tree(cfg_text)
    loader, dataset = tree.get("DATA_LOADER") or {}, (tree.get("TRAIN") or {}).get("DATASET", "imagenet")
    reads_bgr = loader.get("MODE", "pytorch") == "pytorch" and loader.get("BACKEND", "custom") == "custom"
    return "cifar" not in str(dataset) and reads_bgr


def _read_tree(cfg_text: Any) -> dict:
    try:
        tree = yaml.safe_load(cfg_text)
    except (yaml.YAMLError, AttributeError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _flip_stem(weights: dict[str, torch.Tensor]) -> str:
    """Reverse the input planes of the first convolution over 3 channels, in place; return its name."""
    stem = next((key for key, value in weights.items() if value.dim() == 4 and value.shape[1] == 3), None)
    if stem is None:
        raise ValueError("no convolution over 3 channels found to convert from BGR to RGB")
    weights[stem] = weights[stem].flip(1)
    return stem


def _match(target: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], layout: str) -> LoadReport:
    report = LoadReport(layout, unexpected=[key for key in weights if key not in target])
    head = _classifier_names(target)
    for key, value in target.items():
        if key not in weights:
            report.missing.append(key)
        elif weights[key].shape == value.shape:
            report.matched.append(key)
        elif key in head:
            report.reinitialised.append(key)
        else:
            report.missing.append(key)
            report.notes.append(
                f"{key} is {tuple(weights[key].shape)} in the file, {tuple(value.shape)} in the network"
            )
    return report


def _classifier_names(target: dict[str, torch.Tensor]) -> set[str]:
    """Return the names of the last linear layer."""
    linear = [key for key, value in target.items() if value.dim() == 2 and key.endswith(".weight")]
    return {linear[-1], linear[-1].removesuffix("weight") + "bias"} if linear else set()


def _check_enough(report: LoadReport, path: str | Path) -> None:
    missing = [name for name in report.missing if not name.endswith("num_batches_tracked")]
    share = len(report.matched) / max(1, len(report.matched) + len(missing))
    if share < 0.9:
        names = ", ".join(missing[:3])
        found = f"only {share:.0%} of the network's tensors are in the file (missing: {names}, ...)"
        raise ValueError(f"{path}: {found}; is it of another network?")
