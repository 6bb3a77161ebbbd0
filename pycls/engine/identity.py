"""Whether a checkpoint and a run mean the same: the same images, the same classes, the same network."""

import os
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml
from yacs.config import CfgNode

from pycls.core.config import StoredCfg, flatten, load_cfg_text, read_stored_cfg
from pycls.core.config.ancestors.writers import PYTORCH_CLS, find_writer
from pycls.core.config.defaults import declared_keys
from pycls.core.config.effect import is_read
from pycls.core.config.settings import text_settings
from pycls.core.logging import get_logger
from pycls.core.registry import listed
from pycls.datasets.readers.problems import code_points, normalized
from pycls.datasets.readers.samples import FileSamples, Samples
from pycls.datasets.shares import division, holds_out_more, is_divided
from pycls.engine.network.structure import structure_differences
from pycls.models.heads import uncertainty_width

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
    if not is_divided(cfg) or (stored := _stored_cfg(saved, where)) is None:
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
    """Return in words how the network of a config differs from that in a file; nothing for a file without a config.

    All that can be read is compared; what cannot is told in one warning.
    """
    stored = _stored_cfg(saved, where)
    if stored is None:
        return []
    if stored.left_out:
        logger.warning("%s: not compared with this config: %s", where, listed(stored.left_out, 3))
    old, compared = dict(flatten(stored.cfg)), _compared_keys(stored, cfg)
    found = [
        f"its network has {key} {old[key]}, this config says {value}"
        for key, value in flatten(cfg)
        if key in compared and old[key] != value
    ]
    return found or structure_differences(stored.cfg, cfg)


def _compared_keys(stored: StoredCfg, cfg: CfgNode) -> set[str]:
    """Return the keys that tell two networks apart; the number of classes is left to the shapes of their tensors."""
    theirs = stored.cfg
    one_type = theirs.MODEL.TYPE == cfg.MODEL.TYPE
    keys = {
        key
        for key, row in declared_keys().items()
        if row.decides == "network" and (one_type or row.every_type) and (is_read(theirs, key) or is_read(cfg, key))
    }
    if not theirs.MODEL.TYPE:  # it does not say what its network is: what else it leaves out is no default of one
        keys &= stored.stated
    keys.discard("MODEL.NUM_CLASSES")
    if "introspective" not in (theirs.MODEL.HEAD, cfg.MODEL.HEAD):
        keys -= {"IDML.WIDTH", "IDML.PROXY_BIAS"}
    elif uncertainty_width(theirs) == uncertainty_width(cfg):
        keys.discard("IDML.WIDTH")  # one says 0 and the other what that means
    return keys


def _stored_cfg(saved: dict[str, Any], where: str) -> StoredCfg | None:
    """Return what can be read of a file's config, None if it has none, or one that is no YAML, which is told."""
    try:
        if not (text := cfg_text(saved, where)):
            return None
        return read_stored_cfg(text, f"{where} (config)", foreign="pixels" not in saved)
    except ValueError as error:
        logger.warning("%s: its network is not compared with this config's: %s", where, error)
        return None


def is_of_pycls(saved: dict[str, Any], where: str) -> bool:
    """Tell whether a file's config is one of pycls itself, and not of this program or of pytorch-cls."""
    text = cfg_text(saved, where)
    if not text or "pixels" in saved:
        return False
    return find_writer(list(text_settings(text, f"{where} (config)")), foreign=True).program != PYTORCH_CLS


def cfg_text(saved: dict[str, Any], where: str) -> str:
    """Return the config in a file as text, whether it is kept as text or as a tree; "" if there is none.

    ValueError for a tree that holds what YAML does not.
    """
    cfg = saved.get("cfg")
    if not isinstance(cfg, dict) or not cfg:
        return cfg if isinstance(cfg, str) else ""
    try:
        return yaml.safe_dump(cfg)
    except yaml.YAMLError as error:
        raise ValueError(f"{where} (config): not a tree of plain values: {error.args[0]}") from None
