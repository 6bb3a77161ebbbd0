"""Values that keys cannot have, made from their declarations: another type, and just outside of the bounds."""

import math
import re
import shlex
from collections.abc import Iterator
from typing import Any

from benchmarks.reliability.lists.bad import Bad
from pycls.core.config.defaults import declared_keys
from pycls.core.config.key import Key

_COMMAND = "train --cfg {root}/configs/quickstart/digits.yaml"
_WORD = "banana"
# Text that may be anything, or that is refused for another reason than its form, has no wrong values.
_OWN_RULES = {"OUT_DIR": "/proc/nothing/x", "CFG_DEST": "a/b.yaml", "TRAIN.SPLIT": "../train", "TEST.SPLIT": "a/b"}


def _rows() -> Iterator[Bad]:
    for key, row in declared_keys(outside=False).items():
        for value in dict.fromkeys(_wrong_values(key, row)):
            out_dir = "" if key == "OUT_DIR" else " OUT_DIR {here}/out"
            yield Bad(f"{_COMMAND} {key} {shlex.quote(value)}{out_dir}", re.escape(key), name=f"{key} {value}")


def _wrong_values(key: str, row: Key) -> Iterator[str]:
    if key in _OWN_RULES:
        yield _OWN_RULES[key]
    elif isinstance(row.default, list):
        yield _WORD
        yield from (f"[{value}]" for value in _outside(row)) if row.items in (int, float) else ()
        if row.counts:
            yield str([1.0] * (max(row.counts) + 1))
        if row.items is str:
            yield "[1, 2]"
    elif isinstance(row.default, bool):
        yield _WORD
        yield "2"
    elif isinstance(row.default, str):
        if row.choices or row.table or row.form == "device":
            yield _WORD
            yield "[1, 2]"
    else:
        yield _WORD
        yield "nan"
        yield from _outside(row)
        if isinstance(row.default, int):
            yield "1.5"


def _outside(row: Key) -> Iterator[str]:
    """Yield numbers outside of the bounds."""
    step = 1 if isinstance(row.default, int) or row.items is int else 1e-3
    if row.at_least is not None:
        yield _text(row.at_least - max(step, abs(row.at_least)), step)
    if row.above is not None:
        yield _text(row.above, step)
    if row.at_most is not None:
        yield _text(row.at_most * 2 + step, step)
    if row.below is not None:
        yield _text(row.below, step)
    if step != 1:
        yield "1e999"


def _text(value: Any, step: float) -> str:
    value = int(value) if step == 1 else float(value)
    return str(value) if math.isfinite(value) else "inf"


BAD = tuple(_rows())
