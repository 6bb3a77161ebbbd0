"""How the network of a config differs from the one that the config in a file describes, key by key."""

from collections.abc import Callable
from typing import Any

from torch import nn
from yacs.config import CfgNode

from pycls.core.config import StoredCfg, flatten
from pycls.core.config.defaults import declared_keys
from pycls.core.config.effect import is_read
from pycls.core.logging import get_logger
from pycls.core.registry import listed
from pycls.models.external import OWN_KEYS
from pycls.models.heads import uncertainty_width
from pycls.models.stored_network.library import LIBRARIES
from pycls.models.stored_network.stored_cfg import stored_cfg
from pycls.models.stored_network.structure import structure_differences

logger = get_logger(__name__)

_OF_HEADS = {"MODEL.HEAD", "IDML.WIDTH", "IDML.PROXY_BIAS"}
_ADAPTED = {"DATA_LOADER.CHANNELS"}
# Two names of one thing.
_SYNONYMS = {
    "MODEL.ACTIVATION_FUN": {"swish": "silu"},
    "MB.STEM_ACT": {"swish": "hardswish"},
    "MB.ACTS": {"swish": "hardswish"},
    "MB.HEAD_ACTS": {"swish": "hardswish"},
}


def differences(
    cfg: CfgNode,
    build: Callable[[CfgNode], nn.Module],
    saved: dict[str, Any],
    where: str,
    is_start: bool = False,
) -> list[str]:
    """Return in words how the network of a config differs from that in a file; nothing for a file without a config.

    All that can be read is compared; what cannot is told in one warning. `build`: build_model. `is_start`: another
    classifier may be put in the place of the file's, and its filters adapted to other channels.
    """
    stored = stored_cfg(saved, where)
    if stored is None:
        return []
    if stored.left_out:
        logger.warning("%s: not compared with this config: %s", where, listed(stored.left_out, 3))
    old, compared = dict(flatten(stored.cfg)), _compared_keys(stored, cfg)
    if is_start:
        compared -= _ADAPTED if stored.cfg.MODEL.HEAD == cfg.MODEL.HEAD else _ADAPTED | _OF_HEADS
    found = [
        f"its network has {key} {old[key]}, this config says {value}"
        for key, value in flatten(cfg)
        if key in compared and _meaning(key, old[key]) != _meaning(key, value)
    ]
    return found or structure_differences(stored.cfg, cfg, build)


def _meaning(key: str, value: Any) -> Any:
    """Return a value with one name for what has two."""
    names = _SYNONYMS.get(key, {})
    return [names.get(item, item) for item in (value if isinstance(value, list) else [value])] if names else value


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
    if not one_type and any(kind in LIBRARIES for kind in (theirs.MODEL.TYPE, cfg.MODEL.TYPE)):
        keys -= set(OWN_KEYS)  # a library's networks have their own values
    if "introspective" not in (theirs.MODEL.HEAD, cfg.MODEL.HEAD):
        keys -= {"IDML.WIDTH", "IDML.PROXY_BIAS"}
    elif uncertainty_width(theirs) == uncertainty_width(cfg):
        keys.discard("IDML.WIDTH")  # one says 0 and the other what that means
    return keys
