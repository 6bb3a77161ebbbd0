"""What earlier starts of a run have left in OUT_DIR, records, log and config: what counts, and what is set aside."""

import contextlib
import itertools
import os
import re
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from pycls.core.atomic_io import set_aside, write_durably
from pycls.core.config import dump_cfg
from pycls.core.logging import MetricsFile, get_logger
from pycls.core.page.curves import epoch_of

logger = get_logger(__name__)

_WITH_POSITION = ("train_iter", "train_epoch", "test_epoch", "test_ema_epoch")
_POSITION = re.compile(r"\d+/\d+")


def records_so_far(metrics: MetricsFile) -> list[dict[str, Any]]:
    """Return the records of the run; a file that holds anything else is kept under another name."""
    path = metrics.path
    try:
        records, num_lost = metrics.read_lines()
    except OSError as error:
        logger.warning("%s: cannot be read (%s); kept as %s", path, error.strerror, set_aside(path).name)
        return []
    if num_lost:
        lines = "1 line is no record" if num_lost == 1 else f"{num_lost} lines are no records"
        logger.warning("%s: %s and left out; kept as %s", path, lines, set_aside(path).name)
    return records


def of_training(record: dict[str, Any]) -> bool:
    """Tell whether a record of stdout.log is one that a training writes at a position; a log can be edited."""
    if record.get("_type") not in _WITH_POSITION or not _POSITION.fullmatch(str(record.get("epoch"))):
        return False
    if record["_type"] == "train_iter":
        return _POSITION.fullmatch(str(record.get("iter"))) is not None
    return record["_type"] == "train_epoch" or "min_top1_err" in record  # not of `test_net.py`


def is_before(record: dict[str, Any], epoch: int, step: int) -> bool:
    """Tell whether a record belongs to work that the position (next epoch and step, from 0) has behind it."""
    if "epoch" not in record:
        return True
    number = epoch_of(record) - 1
    if number != epoch:
        return number < epoch
    return "iter" in record and int(str(record["iter"]).partition("/")[0]) <= step


def write_config(cfg: CfgNode) -> None:
    """Write the config; one that was there and differs is kept beside it: the run so far followed that."""
    path, data = Path(cfg.OUT_DIR, cfg.CFG_DEST), dump_cfg(cfg).encode()
    if os.path.lexists(path):
        with contextlib.suppress(OSError):  # no file, or none to be read: it is kept, too
            if path.is_file() and path.read_bytes() == data:
                return
        numbered = (path.with_stem(f"{path.stem}_{number}") for number in itertools.count(1))
        path.rename(next(other for other in numbered if not os.path.lexists(other)))
    write_durably(path, data)
