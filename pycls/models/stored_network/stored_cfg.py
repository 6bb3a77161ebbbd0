"""The config in a file, as far as it can be read."""

from typing import Any

import yaml

from pycls.core.config import StoredCfg, read_stored_cfg
from pycls.core.logging import get_logger

logger = get_logger(__name__)


def stored_cfg(saved: dict[str, Any], where: str) -> StoredCfg | None:
    """Return what can be read of a file's config, None if it has none, or one that is no YAML, which is told."""
    try:
        if not (text := cfg_text(saved, where)):
            return None
        return read_stored_cfg(text, f"{where} (config)", foreign="pixels" not in saved)
    except ValueError as error:
        logger.warning("%s: its network is not compared with this config's: %s", where, error)
        return None


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
