"""Read files of tensors without running code from them; one that is missing, damaged or foreign raises ValueError."""

import argparse
import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

SAFETENSORS = ".safetensors"


def load_tensor_file(path: str | Path) -> dict[str, Any]:
    """Return what a checkpoint, a state_dict or a safetensors file holds, tensors on the CPU."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint")
    return _load_safetensors(path) if path.suffix == SAFETENSORS else load_checkpoint(path)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Return the state in a file of torch, tensors on the CPU.

    A file that is there but cannot be read just now (OSError) is not called damaged. Besides tensors and plain types
    only argparse.Namespace is let through, a bag of values that the training scripts of torchvision and timm save.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        check_whole(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch.load raises many types for a damaged or hostile file
        # Its own words advise to let the file run code.
        reason = (
            "damaged, no file of tensors, or one that runs code" if "weights_only" in str(error) else first_line(error)
        )
        raise ValueError(f"{path}: not a readable checkpoint ({reason})") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path}: expected a checkpoint dictionary, found {type(state).__name__}")
    return state


def safetensors_metadata(state: dict[str, Any]) -> dict[str, str]:
    """Return the plain values of a state as safetensors stores them: text, JSON where they are no text."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in state.items()}


def check_whole(path: Path) -> None:
    """Raise unless every record's checksum is right; files of torch < 1.6 are not archives and are left to torch."""
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    if is_archive:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"record {damaged} is damaged")


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, its type where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _load_safetensors(path: Path) -> dict[str, Any]:
    """Return the tensors by name or, for a file written by `save_safetensors`, a state like a checkpoint's."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
        if "pixels" not in metadata:
            return tensors | {name: metadata[name] for name in ("arch", "architecture") if name in metadata}
        plain = {name: json.loads(metadata[name]) for name in ("classes", "pixels") if name in metadata}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: not a readable checkpoint ({first_line(error)})") from error
    return {"model_state": tensors, "cfg": metadata.get("cfg", ""), **plain}
