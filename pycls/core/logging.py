"""Log lines for people (terminal, stdout.log) and records for programs (json_stats lines, metrics.jsonl).

The `json_stats:` lines have pycls's format (sorted keys, floats cut to 4 decimals), so that its log readers work.
metrics.jsonl holds the same records in full precision.
"""

import logging
import math
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import simplejson

from pycls.core.atomic_io import write_durably

_TAG = "json_stats: "
_FORMAT = "[%(filename)s: %(lineno)3d]: %(message)s"


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module; `setup_logging` decides where its lines go."""
    return logging.getLogger(name)


def setup_logging(out_dir: str | None, log_dest: str = "stdout", main: bool = True) -> None:
    """Send the package's log lines to the terminal and, when given, to `out_dir`/stdout.log (main process only)."""
    package = logging.getLogger("pycls")
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()
    package.propagate = False
    package.setLevel(logging.INFO if main else logging.ERROR)
    for handler in _handlers(out_dir, log_dest, main):
        handler.setFormatter(logging.Formatter(_FORMAT))
        package.addHandler(handler)


def _handlers(out_dir: str | None, log_dest: str, main: bool) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if log_dest == "stdout" or out_dir is None or not main:
        terminal = logging.StreamHandler(sys.stdout)
        if sys.stdout.isatty():  # a person is reading: records for programs go to the file only
            terminal.addFilter(lambda record: not getattr(record, "machine", False))
        handlers.append(terminal)
    if out_dir is not None and main:
        handlers.append(
            logging.FileHandler(os.path.join(out_dir, "stdout.log"), encoding="utf-8", errors="surrogateescape")
        )
    return handlers


def json_line(stats: dict[str, Any]) -> str:
    """Return pycls's machine-readable line for one record."""
    rounded = {key: _rounded(value) for key, value in stats.items()}
    text = simplejson.dumps(rounded, sort_keys=True, use_decimal=True, ignore_nan=True)
    return _TAG + text


def _rounded(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(f"{value:.4f}")
    return value


class MetricsFile:
    """Append records to OUT_DIR/metrics.jsonl, one JSON object a line, full precision, flushed at once."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        with self.path.open("a") as file:
            file.write(simplejson.dumps(record, ignore_nan=True) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return every complete record; a line cut off by a crash is left out."""
        if not self.path.exists():
            return []
        return [record for line in self.path.read_text().splitlines() if (record := _parse(line)) is not None]

    def replace(self, records: list[dict[str, Any]]) -> None:
        """Put these records in the place of all that was there, atomically."""
        lines = (simplejson.dumps(record, ignore_nan=True) + "\n" for record in records)
        write_durably(self.path, "".join(lines).encode())


def _parse(line: str) -> dict[str, Any] | None:
    try:
        return simplejson.loads(line)
    except simplejson.JSONDecodeError:
        return None
