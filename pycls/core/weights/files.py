"""Read files of tensors without running code from them; one that is missing, damaged or foreign raises ValueError."""

import argparse
import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open

from pycls.core.machine import free_memory_bytes, memory_gb
from pycls.core.registry import first_line
from pycls.core.tensor_files.contents import check_contents
from pycls.core.tensor_files.header_digest import check_digest
from pycls.core.weights.parts import UnreadableFile, check_description

SAFETENSORS = ".safetensors"


NetworkBytes = Callable[[], int]  # asked for large files only
_ALWAYS_BYTES, _MOST_COPIES = 1e9, 32  # of tensors are read; beyond that, as many as a network has, so many times


def load_tensor_file(path: str | Path, network_bytes: NetworkBytes | None = None) -> dict[str, Any]:
    """Return what a checkpoint, a state_dict or a safetensors file holds, tensors on the CPU."""
    path = Path(path)
    load = _load_safetensors if path.suffix == SAFETENSORS else load_checkpoint
    return load(path, network_bytes)


def load_checkpoint(path: str | Path, network_bytes: NetworkBytes | None = None) -> dict[str, Any]:
    """Return the state in a file of torch, tensors on the CPU; UnreadableFile, a ValueError, for any other.

    Whatever the file claims, no more is allocated than it holds, and nothing if that is far more than the network
    needs or than there is memory for. A file that cannot be read just now (OSError) is not called damaged. Besides
    tensors and plain types only argparse.Namespace is let through, a bag of values that the training scripts of
    torchvision and timm save.
    """
    path = Path(path)
    with _opened(path) as file:
        try:
            _check_size(check_contents(file), network_bytes, path)
            file.seek(0)
            with torch.serialization.safe_globals([argparse.Namespace]):
                state = torch.load(file, map_location="cpu", weights_only=True)
        except MemoryError:
            raise OSError(errno.ENOMEM, "its tensors do not fit into memory", str(path)) from None
        except UnreadableFile:
            raise
        except Exception as error:  # torch.load raises many types for what the checks before it let through
            if isinstance(error, OSError) and error.errno in _PASSING:
                raise
            if "can't allocate memory" in str(error):
                raise OSError(errno.ENOMEM, "its tensors do not fit into memory", str(path)) from None
            raise UnreadableFile(f"{path}: not a readable checkpoint ({_reason(error)})") from error
    if not isinstance(state, dict):
        raise UnreadableFile(f"{path}: expected a checkpoint dictionary, found {type(state).__name__}")
    check_description(state, str(path))
    return state


# Errors that say nothing of a file: the next try may succeed.
_PASSING = (errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; UnreadableFile says what else is there."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            raise UnreadableFile(f"{path}: {'is a folder' if stat.S_ISDIR(mode) else 'is no regular file'}")
        file = path.open("rb")
    except OSError as error:
        if error.errno in _PASSING:
            raise
        if error.errno == errno.ENOENT:
            is_link = path.is_symlink()
            words = f"is a link to {os.readlink(path)}, which is not there" if is_link else "no such checkpoint"
            raise UnreadableFile(f"{path}: {words}") from None
        raise UnreadableFile(f"{path}: cannot be opened ({error.strerror})") from None
    with file:
        yield file


def _check_size(num_bytes: int, network_bytes: NetworkBytes | None, path: Path) -> None:
    """Raise UnreadableFile for more tensors than this machine can hold, or than any training of the network keeps.

    OSError for more than there is room for just now.
    """
    size, free_bytes = f"{num_bytes / 1e9:,.1f} GB of tensors", free_memory_bytes()
    if num_bytes / 1e9 > memory_gb():
        raise UnreadableFile(f"{path}: holds {size}, this machine has {memory_gb():,.1f} GB of memory")
    if network_bytes is not None and num_bytes > _ALWAYS_BYTES and num_bytes > _MOST_COPIES * network_bytes():
        raise UnreadableFile(
            f"{path}: holds {size}, the network {network_bytes() / 1e9:,.3f} GB: is it of another one?"
        )
    if num_bytes > free_bytes:
        there = f"the {free_bytes / 1e9:,.1f} GB of memory that are free"
        raise OSError(errno.ENOMEM, f"{size} do not fit into {there}", str(path))


def _reason(error: Exception) -> str:
    """Return why a file cannot be read; torch's own words advise to let the file run code."""
    if "weights_only" in str(error):
        return "damaged, no file of tensors, or one that runs code"
    if isinstance(error, OSError):
        return error.strerror or first_line(error)
    return first_line(error)


def safetensors_metadata(state: dict[str, Any]) -> dict[str, str]:
    """Return the plain values of a state as safetensors stores them: text, JSON where they are no text."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in state.items()}


def _load_safetensors(path: Path, network_bytes: NetworkBytes | None) -> dict[str, Any]:
    """Return the tensors by name or, for a file written by `save_safetensors`, a state like a checkpoint's."""
    with _opened(path) as opened:
        _check_size(os.fstat(opened.fileno()).st_size, network_bytes, path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            check_digest(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "pixels" not in metadata:
            return tensors | {name: metadata[name] for name in ("arch", "architecture") if name in metadata}
        plain = {name: json.loads(metadata[name]) for name in ("classes", "pixels") if name in metadata}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"{path}: not a readable checkpoint ({first_line(error)})") from error
    state = {"model_state": tensors, "cfg": metadata.get("cfg", ""), **plain}
    check_description(state, str(path))
    return state
