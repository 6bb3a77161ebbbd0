"""OUT_DIR/stdout.log: opened whole, and cut back when a run goes on from before the end of what it logged."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycls.core.last_words import say_on_stderr
from pycls.core.logging.records import TAG, parse_record
from pycls.core.registry import printable

_LONGEST_LINE = 1 << 20  # bytes


class RunLog(logging.FileHandler):
    """Appends to a log, behind what earlier starts of the run have written."""

    def __init__(self, path: Path):
        _mend_end(path)
        super().__init__(path, encoding="utf-8", errors="surrogateescape")
        self._is_told = False  # that it cannot be written
        self._start = os.path.getsize(path)  # where the lines of this start begin

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once that the log takes no lines; once its disk has room again it does."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_told:
            self._is_told = True
            say_on_stderr(f"warning: {printable(self.baseFilename)}: cannot be written: {error.strerror}")

    def close(self) -> None:
        """Close the file, whether or not its last lines can be written."""
        with contextlib.suppress(OSError):
            super().close()

    def cut_back(self, is_late: Callable[[dict[str, Any]], bool]) -> None:
        """Drop what earlier starts wrote from the first record on that `is_late`: what it tells of is done again.

        Lines of this start stay. Where there is no such record, as in a log that somebody has edited, nothing is cut.
        """
        path = Path(self.baseFilename)
        if not path.exists():  # somebody has removed it meanwhile
            return
        with path.open("rb+") as file:
            begin = _first(file, self._start, is_late)
            if begin is None:
                return
            file.seek(self._start)
            own = file.read()
            file.truncate(begin)
            file.seek(begin)
            file.write(own)
        self._start = begin


def _first(file: Any, end: int, is_late: Callable[[dict[str, Any]], bool]) -> int | None:
    """Return where the first line before `end` begins that has a late record."""
    begin = 0
    for line in file:
        if begin >= end:
            return None
        record = parse_record(line.decode("utf-8", "surrogateescape").partition(TAG)[2])
        if record is not None and is_late(record):
            return begin
        begin += len(line)
    return None


def _mend_end(path: Path) -> None:
    """Take away the beginning of a record at the end of a log, which a crash left: pycls's reader would stop there.

    A line for people that is cut off stays, and gets an end.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE)
        file.seek(start)
        *_, cut_off = file.read().rpartition(b"\n")
        if TAG.encode() in cut_off:
            file.seek(-len(cut_off), os.SEEK_END)
            file.truncate()
        elif cut_off:
            file.write(b"\n")
