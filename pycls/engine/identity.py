"""Whether a checkpoint and a run mean the same: the same images, the same classes, the same network."""

import os
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from yacs.config import CfgNode

from pycls.core.config import load_cfg_text
from pycls.core.config.ancestors.writers import PYTORCH_CLS, find_writer
from pycls.core.config.settings import text_settings
from pycls.core.logging import get_logger
from pycls.core.registry import listed
from pycls.datasets.readers.problems import code_points, normalized
from pycls.datasets.readers.samples import FileSamples, Samples
from pycls.datasets.shares import division, holds_out_more, is_divided
from pycls.models import build_model
from pycls.models.stored_network.differences import differences
from pycls.models.stored_network.stored_cfg import cfg_text, stored_cfg

logger = get_logger(__name__)


def data_identity(train: Samples, test: Samples | None = None) -> dict[str, list[int]]:
    """Return what a checkpoint keeps of each set: number of images, and checksums of their labels and names.

    Only image files have names (0: none).
    """
    return {"training": _identity(train)} | ({} if test is None else {"test": _identity(test)})


def check_data(saved: dict[str, list[int]], now: dict[str, list[int]], step: int, where: str) -> None:
    """Warn of other images than those of a checkpoint; ValueError for others in the middle of a training epoch."""
    for name in saved.keys() & now.keys():
        old, new = saved[name], now[name]
        if old[:2] == new[:2] and (old[2] == new[2] or 0 in (old[2], new[2])):
            continue
        words = f"{where}: was made with {old[0]:,} {name} images, now there are {new[0]:,}"
        if old[0] == new[0]:
            words = f"{where}: was made with other {name} images, or other labels, though as many ({new[0]:,})"
        if name == "training" and step > 0:
            raise ValueError(f"{words}: its epoch cannot go on; bring the old ones back, or choose another OUT_DIR")
        logger.warning("%s; figures before and after cannot be compared", words)


def warn_of_other_division(saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Warn if a config holds out images of the same data that a network was trained on."""
    if not is_divided(cfg) or (stored := stored_cfg(saved, where)) is None:
        return
    theirs = stored.cfg
    same_data = os.path.abspath(theirs.DATA_DIR) == os.path.abspath(cfg.DATA_DIR)
    if same_data and is_divided(theirs) and holds_out_more(cfg, theirs):
        old, new = (f"{division(one)} DATA.SPLIT_SEED {one.DATA.SPLIT_SEED}" for one in (theirs, cfg))
        logger.warning(
            "%s: was trained with %s, now it is %s: images that it was trained on are among those evaluated",
            *(where, old, new),
        )


def _identity(samples: Samples) -> list[int]:
    names: bytes | np.ndarray = samples.paths.buffer if isinstance(samples, FileSamples) else b""
    sums = [zlib.crc32(np.ascontiguousarray(part).data) for part in (samples.labels, np.frombuffer(names, np.uint8))]
    return [len(samples), *sums]


def check_classes(saved: Sequence[str], found: Sequence[str], where: str, source: str = "the data set") -> None:
    """Raise ValueError naming what differs between a checkpoint's classes and the data set's: names, or their order."""
    if list(saved) == list(found):
        return
    known, there = ({normalized(name) for name in names} for names in (saved, found))
    missing = [name for name in saved if normalized(name) not in there]
    new = [name for name in found if normalized(name) not in known]
    if missing or new or len(saved) != len(found):
        raise ValueError(f"{where}: was trained on {len(saved):,} classes, {_difference(missing, new, found, source)}")
    number, old, other = next((i, a, b) for i, (a, b) in enumerate(zip(saved, found, strict=True)) if a != b)
    spelled = ""
    if normalized(old) == normalized(other):
        points = f"{code_points(old)} and {code_points(other)}"
        spelled = f", the same name spelled with other code points ({points}): rename the class folders"
    raise ValueError(f"{where}: class {number} is {old!r} in the checkpoint and {other!r} in {source}{spelled}")


def _difference(missing: list[str], new: list[str], found: Sequence[str], source: str) -> str:
    """Return in words which names a data set lacks, and which it has that were not trained on."""
    parts = [f"{source} has {len(found):,}"]
    parts += [f"without {listed([repr(name) for name in missing])}"] if missing else []
    parts += [f"with {listed([repr(name) for name in new])} that it was not trained on"] if new else []
    renamed = "; give a renamed class its old name" if missing and new else ""
    return " ".join(parts) + renamed


def saved_cfg(saved: dict[str, Any], where: str, overrides: tuple[str, ...] = ()) -> CfgNode:
    """Return the config in a file, what its program need not say included; ValueError if there is none."""
    text = cfg_text(saved, where)
    if not text:
        raise ValueError(f"{where}: holds no config; give that of its network with --cfg")
    return load_cfg_text(text, f"{where} (config)", overrides, foreign="pixels" not in saved)


def check_own_config(saved: dict[str, Any], cfg: CfgNode, where: str) -> None:
    """Raise ValueError unless a config means the network that a file's own config, if it has one, describes."""
    for words in network_differences(saved, cfg, where):
        raise ValueError(f"{where}: {words}; what it computes would be another network's")


def network_differences(saved: dict[str, Any], cfg: CfgNode, where: str) -> list[str]:
    """Return in words how the network of a config differs from that in a file; nothing for a file without a config."""
    return differences(cfg, build_model, saved, where)


def is_of_pycls(saved: dict[str, Any], where: str) -> bool:
    """Tell whether a file's config is one of pycls itself, and not of this program or of pytorch-cls."""
    text = cfg_text(saved, where)
    if not text or "pixels" in saved:
        return False
    return find_writer(list(text_settings(text, f"{where} (config)")), foreign=True).program != PYTORCH_CLS
