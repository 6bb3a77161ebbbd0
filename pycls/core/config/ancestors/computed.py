"""Keys of pycls's first versions whose meaning takes more than another name."""

import ast
from collections.abc import Sequence
from typing import Any

from pycls.core.config.settings import Setting

# Their own settings are dropped when those that are computed from them are there.
COMPUTED = ("EN.SE_ENABLED", "ANYNET.NUM_GS", "BN.WEIGHT_DECAY")


def computed_settings(written: Sequence[Setting]) -> list[Setting]:
    """Return settings in today's words for those of a file that say the same in others; they come after them."""
    given = {setting.key: setting for setting in written}
    found: list[Setting] = []
    if (se_enabled := given.get("EN.SE_ENABLED")) and str(se_enabled.value).lower() == "false":
        found.append(Setting(se_enabled.where, "EN.SE_R", "0"))
    if decay := given.get("BN.WEIGHT_DECAY"):
        found.append(Setting(decay.where, "BN.USE_CUSTOM_WEIGHT_DECAY", "True"))
        found.append(Setting(decay.where, "BN.CUSTOM_WEIGHT_DECAY", decay.value))
    if (num_groups := given.get("ANYNET.NUM_GS")) and _numbers(num_groups.value) != []:
        found.append(Setting(num_groups.where, "ANYNET.GROUP_WS", _group_widths(given)))
    return found


def _group_widths(given: dict[str, Setting]) -> list[int]:
    """Return channels per group where a number of groups is given for each stage: bottleneck width / groups."""
    groups = given["ANYNET.NUM_GS"]
    counts = _numbers(groups.value)
    widths, ratios = (
        _numbers(given[key].value) if key in given else [] for key in ("ANYNET.WIDTHS", "ANYNET.BOT_MULS")
    )
    ratios = ratios or [1.0] * len(widths)
    if not len(counts) == len(widths) == len(ratios) or not all(count >= 1 for count in counts):
        raise ValueError(f"{groups.where}: ANYNET.NUM_GS: expected a number of groups for each of ANYNET.WIDTHS")
    return [round(width * ratio) // int(count) for count, width, ratio in zip(counts, widths, ratios, strict=True)]


def _numbers(value: Any) -> list[float]:
    """Return the numbers in a list as YAML or a command line has it; what is none is left out."""
    try:
        items = ast.literal_eval(value) if isinstance(value, str) else value
        return [float(item) for item in items]
    except (ValueError, SyntaxError, TypeError):
        return []
