"""Log lines for people (terminal, stdout.log) and records for programs (stdout.log, metrics.jsonl).

People see plain lines, on a terminal as in a pipe. OUT_DIR/stdout.log has them too and, between them, the records as
pycls's `json_stats` lines, which `load_log_data` and `sort_log_data`, ours or pycls's, read back.
"""

import logging
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from pycls.core.logging.progress import progress_bar as progress_bar
from pycls.core.logging.records import TAG
from pycls.core.logging.records import MetricsFile as MetricsFile
from pycls.core.logging.records import json_line as json_line
from pycls.core.logging.records import load_log_data as load_log_data
from pycls.core.logging.records import sort_log_data as sort_log_data
from pycls.core.logging.run_log import RunLog
from pycls.core.logging.terminal import LineFormatter, TerminalHandler
from pycls.core.logging.terminal import print_line as print_line
from pycls.core.logging.terminal import print_lines as print_lines

# What a line may say of itself, as `extra=` of the logger's methods.
FILE_ONLY = {"file_only": True}  # records, and what is too long for a terminal: to stdout.log
NOT_ON_TERMINAL = {"beside_bar": True}  # said by the progress bar where there is one
ONCE = {"once": True}  # not again when it repeats word for word; so are all warnings
SEVERAL_LINES = {"several_lines": True}  # a text, whose newlines are meant
GOOD_NEWS = {"good_news": True}  # set off by color, on a terminal

_NO_TAG = TAG.replace(":", "\\x3a")
_RECORD_FORMAT = "[%(filename)s: %(lineno)3d]: %(message)s"  # pycls's, of records only


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module; `setup_logging` decides where its lines go."""
    return logging.getLogger(name)


def start_logging() -> None:
    """Show the package's warnings on the terminal until `setup_logging` is called, which shows none of them again.

    A command looks at its data before its run, which looks at them once more and writes stdout.log.
    """
    _replace_handlers([_AtStart()], logging.WARNING)


def setup_logging(out_dir: str | None, log_dest: str = "stdout", main: bool = True) -> None:
    """Send the package's log lines to the terminal and, when given, to `out_dir`/stdout.log (main process only).

    `log_dest` "file": to that file only. Other processes than the main one say errors, and nothing else.
    """
    before = logging.getLogger("pycls").handlers
    shown = {text for handler in before if isinstance(handler, _AtStart) for text in handler.repeats.seen}
    handlers = _handlers(out_dir, log_dest, main)
    for handler in handlers:
        handler.addFilter(_Repeats(shown if isinstance(handler, TerminalHandler) else ()))
    _replace_handlers(handlers, logging.INFO if main else logging.ERROR)


def cut_back_log(is_late: Callable[[dict[str, Any]], bool]) -> None:
    """Drop from stdout.log what an earlier start of the run logged of steps that are taken again.

    It begins with the first record that `is_late`; what this start has said stays.
    """
    for handler in logging.getLogger("pycls").handlers:
        if isinstance(handler, RunLog):
            handler.cut_back(is_late)


def _replace_handlers(handlers: Sequence[logging.Handler], level: int) -> None:
    package = logging.getLogger("pycls")
    package.setLevel(level)
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()
    package.propagate = False
    for handler in handlers:
        package.addHandler(handler)


def _handlers(out_dir: str | None, log_dest: str, main: bool) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if log_dest == "stdout" or out_dir is None or not main:
        handlers.append(TerminalHandler(sys.stdout))
    if out_dir is not None and main:
        path = Path(out_dir, "stdout.log")
        file = RunLog(path)
        file.setFormatter(_FileFormatter())
        handlers.append(file)
    return handlers


class _FileFormatter(LineFormatter):
    """Lines for people as they are, records behind the place in the code that wrote them, as pycls."""

    def __init__(self) -> None:
        super().__init__(in_color=False)
        self._of_records = logging.Formatter(_RECORD_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "file_only", False) and record.getMessage().startswith(TAG):
            return self._of_records.format(record)
        return super().format(record).replace(TAG, _NO_TAG)  # pycls's reader takes any line with it for a record


class _Repeats(logging.Filter):
    """Let each warning, and each line that is marked so, pass once."""

    def __init__(self, seen: Collection[str] = ()) -> None:
        super().__init__()
        self.seen = set(seen)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING and not getattr(record, "once", False):
            return True
        text = record.getMessage()
        is_new = text not in self.seen
        self.seen.add(text)
        return is_new


class _AtStart(TerminalHandler):
    """Shows warnings on the terminal before a run has begun, and remembers them."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.setLevel(logging.WARNING)
        self.repeats = _Repeats()
        self.addFilter(self.repeats)
