"""The recorded networks of pycls (records/pycls_models.json) as configs."""

import json
from typing import Any

from yacs.config import CfgNode

from pycls.core.config import load_cfg
from tests.helpers.paths import RECORDS, ZOO_RECORDS


def load_record(name: str) -> dict[str, Any]:
    """Return tests/records/`name` without its note on where the numbers come from."""
    record = json.loads((RECORDS / name).read_text())
    del record["_about"]
    return record


def load_zoo(name: str) -> list[dict[str, Any]]:
    """Return the rows of pycls/zoo/records/`name`."""
    return json.loads((ZOO_RECORDS / name).read_text())


def cfg_of(keys: dict[str, Any]) -> CfgNode:
    """Return the defaults with {"SECTION.KEY": value} over them."""
    return load_cfg(None, [str(word) for pair in keys.items() for word in pair])
