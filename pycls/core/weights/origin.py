"""What a file says of the network that it is of: inside, in the file beside it, by its name and its folder's.

And what a network says: whether it was built by a library, under which name.
"""

import argparse
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

_MARK = "library_network"  # attribute of a network that a library built: its name there
_CHECK = "check_stored"  # attribute of a network that was built from a config
_NUM_FOLDERS = 6  # huggingface.co/timm/NAME/resolve/main/model.safetensors
# Of a folder only such a name counts: resnet50.a1_in1k, models--timm--resnet50.a1_in1k.
_FOLDER = re.compile(r"(?:models__\w+?__)?(\w+\.\w+)|models__\w+?__(\w+)")
_MOST_BYTES = 1 << 20  # of a config.json


def network_names(state: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return what a file calls its network, best known first, in lower case with underscores; none if it says nothing.

    Those are the entries that timm's and torchvision's training scripts and safetensors write, the Hugging Face
    config.json beside the file, its own name and those of its folders.
    """
    args = state.get("args")
    said = [
        state.get("arch"),
        state.get("architecture"),
        *(getattr(args, name, None) for name in ("model", "arch")),
        _in_config(path),
    ]
    folders = [_FOLDER.fullmatch(_spelled(name)) for name in reversed(path.parts[-_NUM_FOLDERS - 1 : -1])]
    names = [name for name in said if isinstance(name, str)] + [path.stem]
    return tuple([_spelled(name) for name in names if name] + [match[1] or match[2] for match in folders if match])


def trained_bn_eps(state: Mapping[str, Any]) -> float | None:
    """Return the epsilon of batch norms that timm's training script was told to use; None: the network's own."""
    args = state.get("args")
    if not isinstance(args, argparse.Namespace):
        return None
    eps = 1e-3 if getattr(args, "bn_tf", False) is True else getattr(args, "bn_eps", None)
    return float(eps) if isinstance(eps, (int, float)) else None


def _in_config(path: Path) -> str | None:
    """Return the architecture that a config.json of timm beside the file names."""
    file = path.with_name("config.json")
    try:
        if not file.is_file() or file.stat().st_size > _MOST_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    name = found.get("architecture") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _spelled(name: str) -> str:
    return name.lower().replace("-", "_")


def mark_library_network(model: nn.Module, name: str) -> nn.Module:
    """Note that a network is the one of a library that the name says, and return it."""
    setattr(model, _MARK, name)
    return model


def mark_check(model: nn.Module, check: Callable[[dict[str, Any], str], list[str]]) -> nn.Module:
    """Note what tells, in words, how a network differs from that of a file's content, called so; and return it."""
    setattr(model, _CHECK, check)
    return model


def stored_differences(model: nn.Module, saved: dict[str, Any], where: str) -> list[str]:
    """Return in words how a network differs from that in the config of a file, as far as both are known."""
    check = getattr(model, _CHECK, None)
    return check(saved, where) if check else []


def is_library_network(model: nn.Module) -> bool:
    """Tell whether a network was built by a library: its tensors have the library's names."""
    return hasattr(model, _MARK)
