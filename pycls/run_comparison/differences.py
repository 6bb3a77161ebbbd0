"""What the configs of runs differ in, and which runs differ in nothing but the seed."""

import functools
from collections.abc import Sequence
from typing import Any

from pycls.core.config import flatten
from pycls.core.config.defaults import default_cfg
from pycls.run_comparison.load_run import ComparedRun

OF_EACH_RUN = ("OUT_DIR", "RNG_SEED")  # runs that differ in these alone are repetitions of one another
UNKNOWN = "?"


def differing_keys(runs: Sequence[ComparedRun]) -> dict[str, list[Any]]:
    """Return {key: its value in each run} of the keys that differ, OUT_DIR apart; a run without config has "?".

    A key that a run of another version does not have counts as its default here; one unknown here as "-".
    """
    filled = [_with_defaults(run) for run in runs]
    known = [settings for settings in filled if settings is not None]
    keys = [key for key in dict.fromkeys(key for settings in known for key in settings) if key != "OUT_DIR"]
    differing = [key for key in keys if any(one.get(key, "-") != known[0].get(key, "-") for one in known)]
    return {key: [UNKNOWN if one is None else one.get(key, "-") for one in filled] for key in differing}


def seed_groups(runs: Sequence[ComparedRun]) -> list[list[int]]:
    """Return the numbers of runs whose configs differ in OF_EACH_RUN at most, in order; one without config is alone."""
    groups: list[tuple[dict[str, Any] | None, list[int]]] = []
    for number, run in enumerate(runs):
        settings = _with_defaults(run)
        rest = None if settings is None else {k: v for k, v in settings.items() if k not in OF_EACH_RUN}
        same = next((members for other, members in groups if rest is not None and other == rest), None)
        if same is None:
            groups.append((rest, [number]))
        else:
            same.append(number)
    return [members for _, members in groups]


def _with_defaults(run: ComparedRun) -> dict[str, Any] | None:
    return None if run.settings is None else _defaults() | run.settings


@functools.cache
def _defaults() -> dict[str, Any]:
    return dict(flatten(default_cfg()))
