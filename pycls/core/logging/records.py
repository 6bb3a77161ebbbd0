"""Records for programs: pycls's `json_stats` lines and how they are read back, and metrics.jsonl.

The lines have pycls's format (sorted keys, floats cut to 4 decimals); metrics.jsonl holds the same in full precision.
"""

import errno
import math
import os
import re
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import simplejson

from pycls.core.atomic_io import naming, write_durably

TAG = "json_stats: "
_TYPE = "_type"
_PLACE = re.compile(r"[0-9]{1,12}(/[0-9]{1,12})?")


def json_line(stats: dict[str, Any]) -> str:
    """Return pycls's machine-readable line for one record."""
    rounded = {key: _rounded(value) for key, value in stats.items()}
    text = simplejson.dumps(rounded, sort_keys=True, use_decimal=True, ignore_nan=True)
    return TAG + text


def _rounded(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(f"{value:.4f}")
    return value


def load_log_data(log_file: str | Path, data_types_to_skip: Collection[str] = ()) -> dict[str, dict[str, list[Any]]]:
    """Return the records of a stdout.log, ours or pycls's, as data[type][figure], a list in the order of the file.

    Types are "train_iter", "train_epoch", "test_epoch", "cfg" and so on; those to skip are left out. A figure that a
    record does not have is None (pycls refuses such a log), and a line that a crash cut off is left out. ValueError if
    there is no such file.
    """
    path = Path(log_file)
    if not path.is_file():
        raise ValueError(f"{path}: no such log file; expected the stdout.log of a run")
    records: dict[str, list[dict[str, Any]]] = {}
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            record = parse_record(line.partition(TAG)[2])
            if record is not None and record.get(_TYPE, "") not in ("", *data_types_to_skip):
                records.setdefault(record.pop(_TYPE), []).append(record)
    return {kind: _columns(rows) for kind, rows in records.items()}


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = sorted(set().union(*rows))
    return {name: [row.get(name) for row in rows] for name in names}


def sort_log_data(data: dict[str, dict[str, list[Any]]]) -> dict[str, dict[str, Any]]:
    """Sort what `load_log_data` returned by epoch and step, in place, and return it.

    "epoch" and "iter" ("3/100") get numbers beside them: epoch_ind and epoch_max, iter_ind and iter_max. Of records
    without an epoch the first counts. Rows of one position keep their order and stay together; pycls sorts each list
    for itself there, so that after a resume figures of different records stand side by side.
    """
    for kind, columns in data.items():
        if "epoch" not in columns:
            data[kind] = {name: values[0] for name, values in columns.items()}
            continue
        for name in ("epoch", "iter"):
            if name in columns:
                done, total = zip(*(map(int, text.split("/")) for text in columns[name]), strict=True)
                columns |= {f"{name}_ind": list(done), f"{name}_max": list(total)}
        positions = list(zip(columns["epoch_ind"], columns.get("iter_ind", columns["epoch_ind"]), strict=True))
        order = sorted(range(len(positions)), key=positions.__getitem__)
        data[kind] = {name: [values[number] for number in order] for name, values in columns.items()}
    return data


class MetricsFile:
    """Append records to OUT_DIR/metrics.jsonl, one JSON object a line, full precision, flushed at once."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record; an OSError names the file."""
        with naming(self.path), self.path.open("a") as file:
            file.write(simplejson.dumps(record, ignore_nan=True) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return every record; a line cut off by a crash, or damaged in any other way, is left out."""
        return self.read_lines()[0]

    def read_lines(self) -> tuple[list[dict[str, Any]], int]:
        """Return every record, and the number of lines that are none, but for the last one, which a crash cuts off.

        OSError for what cannot be read.
        """
        if not os.path.lexists(self.path):
            return [], 0
        if not self.path.is_file():  # a pipe would be waited for
            raise OSError(errno.EINVAL, "it is no file", str(self.path))
        *whole, cut_off = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        found = [parse_record(line) for line in whole if line.strip()]
        records = [record for record in (*found, parse_record(cut_off)) if record is not None]
        return records, found.count(None)

    def replace(self, records: list[dict[str, Any]]) -> None:
        """Put these records in the place of all that was there, atomically."""
        lines = (simplejson.dumps(record, ignore_nan=True) + "\n" for record in records)
        write_durably(self.path, "".join(lines).encode())


def parse_record(line: str) -> dict[str, Any] | None:
    """Return the record in a line, None where there is none: the line is cut off, or damaged in any other way."""
    try:
        record = simplejson.loads(line)
    except (ValueError, RecursionError):  # ValueError also for a number of too many digits
        return None
    return record if isinstance(record, dict) and _has_place(record) else None


def _has_place(record: dict[str, Any]) -> bool:
    """Tell whether a record says where it stands as records do, "epoch": "3/100" or 3, or says nothing of it."""
    places = [record[name] for name in ("epoch", "iter") if name in record]
    return isinstance(record.get(_TYPE, ""), str) and all(map(_PLACE.fullmatch, map(str, places)))
