"""Find the tensors in the files that training programs write: ours, pycls, pytorch-cls, torchvision, timm, LIP, CutMix.

What comes out has plain names (no `module.`), expects RGB, and holds the network's tensors only. Names in torchvision's
published files that its networks no longer use become today's: torchvision loads such files with the same rules.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from pycls.core.weights.origin import network_names, trained_bn_eps
from pycls.core.weights.usable import unreadable

# Where foreign training programs keep the network in their files; averaged weights first, as they evaluate those.
_CONTAINERS = ("state_dict_ema", "model_ema", "state_dict", "model")
_COUNTERS = ("total_ops", "total_params", "total_acts")  # buffers that pytorch-cls's complexity count leaves behind
_WRAPPERS = ("module.", "_orig_mod.")  # DistributedDataParallel, torch.compile
# A tensor name that only one family of published files has.
_MARKS = {
    "logit.": "LIP",
    "uncertainty.weight": "IDML",
    "bn_final.weight": "CutMix PyramidNet",
}


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, its layout, what was done to them, and what it says of its network."""

    layout: str
    tensors: dict[str, Tensor]
    notes: list[str]
    named: tuple[str, ...] = ()  # what it calls its network, best known first
    bn_eps: float | None = None  # what its batch norms were trained with, where it says so
    has_cfg: bool = False  # whether it holds a config, which is compared elsewhere


def unpack_weights(state: dict[str, Any], where: str) -> Weights:
    """Return the network's tensors in a file's content, the better of model and EMA; none raises ValueError."""
    name = _container(state)
    plain = {_plain(key): value for key, value in state.get(name, state).items() if isinstance(value, Tensor)}
    found = todays_names(plain)
    tensors = {key: value for key, value in found.items() if not key.endswith((*_COUNTERS, "n_averaged"))}
    if not tensors:
        raise ValueError(f"{where}: holds no weights (keys: {', '.join(map(str, list(state)[:8]))})")
    notes = [f"from {name}"] if name else []
    if name in ("model_state", "ema_state") and "pixels" not in state and is_bgr(state.get("cfg", "")):
        notes.append(f"{flip_stem(tensors, where)} converted from BGR to RGB")
    if len(tensors) < len(found):
        notes.append(f"{len(found) - len(tensors)} counters dropped")
    named, has_cfg = network_names(state, Path(where)), bool(state.get("cfg"))
    return Weights(_layout(state, name, found), tensors, notes, named, trained_bn_eps(state), has_cfg)


def _container(state: dict[str, Any]) -> str:
    """Return the key under which a file keeps its weights, "" for a plain state_dict."""
    if "model_state" in state:
        return _better_of(state)
    return next((name for name in _CONTAINERS if isinstance(state.get(name), dict)), "")


def _better_of(state: dict[str, Any]) -> str:
    """Return the key of the weights with the better recorded score, the model's on a tie (as pycls)."""
    error, ema_error = state.get("test_err"), state.get("ema_err")
    if not isinstance(error, (int, float)) or not isinstance(ema_error, (int, float)):
        return "model_state"
    loss, ema_loss = state.get("test_loss"), state.get("ema_loss")
    if not isinstance(loss, (int, float)) or not isinstance(ema_loss, (int, float)):  # pycls keeps none
        loss = ema_loss = 0.0
    is_better = score(ema_error, ema_loss) < score(error, loss)
    return "ema_state" if state.get("ema_state") and is_better else "model_state"


def score(error: float, loss: float) -> tuple[float, float]:
    """Return what the better of two evaluations has less of: top-1 error, then loss; one that is no number is last."""
    return error, math.inf if math.isnan(loss) else loss


def _layout(state: dict[str, Any], name: str, tensors: dict[str, Tensor]) -> str:
    if "pixels" in state:
        return "pycls checkpoint of this version"
    if name in ("model_state", "ema_state"):
        counted = any(key.endswith(_COUNTERS) for key in tensors)
        return "pytorch-cls .pyth" if counted else "pycls .pyth"
    kind = "training file" if name else "plain state_dict"
    mark = next((label for text, label in _MARKS.items() if any(text in key for key in tensors)), "")
    return f"{mark} {kind}".strip()


def _plain(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.split(".", 1)[1]
    return key


def is_bgr(cfg_text: Any) -> bool:
    """Tell whether a pycls file's network expects BGR planes: its OpenCV loader does so, except for CIFAR.

    The same holds for pytorch-cls, whose other loaders (USE_DALI is the old name of some) give RGB.
    """
    tree = cfg_text if isinstance(cfg_text, dict) else _read_tree(cfg_text)
    loader, dataset = tree.get("DATA_LOADER") or {}, (tree.get("TRAIN") or {}).get("DATASET", "imagenet")
    reads_bgr = loader.get("MODE", "pytorch") == "pytorch" and loader.get("BACKEND", "custom") == "custom"
    reads_bgr = reads_bgr and not loader.get("USE_DALI", False)
    return "cifar" not in str(dataset) and reads_bgr


def _read_tree(cfg_text: Any) -> dict:
    try:
        tree = yaml.safe_load(cfg_text)
    except (yaml.YAMLError, AttributeError):
        return {}
    return tree if isinstance(tree, dict) else {}


def flip_stem(tensors: dict[str, Tensor], where: str) -> str:
    """Reverse the input planes of the first convolution over 3 channels, in place; return its name.

    ValueError, which names the file, if there is none.
    """
    convs = (key for key, value in tensors.items() if value.dim() == 4 and not unreadable(value))
    stem = next((key for key in convs if tensors[key].shape[1] == 3), None)
    if stem is None:
        raise ValueError(
            f"{where}: no convolution over 3 channels found to convert from BGR to RGB; is it of another network?"
        )
    tensors[stem] = tensors[stem].flip(1)
    return stem


AUXILIARY_HEADS = ("aux1.", "aux2.", "AuxLogits.")  # GoogLeNet, Inception v3: for training only
_DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")  # norm.1.weight, today norm1.weight


def todays_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of today's networks, without auxiliary heads."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(AUXILIARY_HEADS)}
    return {_DENSE_LAYER.sub(r"\1\2", name): tensor for name, tensor in kept.items()}
