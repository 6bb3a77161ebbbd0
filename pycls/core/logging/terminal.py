"""Lines for people, on a terminal or in the pipe or file in its place: plain words, colors on a terminal only."""

import logging
import os
import sys
from typing import TextIO

from pycls.core.bounds.secrets import hide_secrets
from pycls.core.last_words import say_on_stderr
from pycls.core.logging.progress import Bar, is_watched
from pycls.core.registry import printable, printable_lines

_BOLD_GREEN, _YELLOW, _RED, _PLAIN = "\033[1;32m", "\033[33m", "\033[31m", "\033[0m"
_PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}
_COLORS = {logging.WARNING: _YELLOW, logging.ERROR: _RED}


def in_color(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that shows colors, and its user wants them (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class LineFormatter(logging.Formatter):
    """A message without marks of the program; warnings and errors are called so.

    A message is one line, unless it says that it has several: a name in it cannot begin another line. Nor can it do
    anything to a terminal.
    """

    def __init__(self, in_color: bool):
        super().__init__("%(message)s")
        self._in_color = in_color

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        safe = printable_lines if getattr(record, "several_lines", False) or record.exc_info else printable
        text = _PREFIXES.get(record.levelno, "") + hide_secrets(safe(super().format(record)))
        color = _COLORS.get(record.levelno, _BOLD_GREEN if getattr(record, "good_news", False) else "")
        return f"{color}{text}{_PLAIN}" if self._in_color and color else text


class TerminalHandler(logging.StreamHandler):
    """Shows lines for people on a stream: no records, and what the bar says only where there is no bar."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self.setFormatter(LineFormatter(in_color(stream)))
        self._has_bar = stream.isatty() and is_watched()
        self._is_closed = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is for people who look at this stream."""
        said_by_bar = self._has_bar and getattr(record, "beside_bar", False)
        is_for_others = self._is_closed or said_by_bar or getattr(record, "file_only", False)
        return not is_for_others and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, above a progress bar that is on the screen."""
        with Bar.external_write_mode(self.stream):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say no more once a reader has gone, as that of `train | head`: the work goes on, stdout.log has all."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self._is_closed = True
        if not isinstance(error, BrokenPipeError):  # a full disk
            say_on_stderr(f"warning: the standard output takes no more lines: {error.strerror}")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with escapes for what the stream cannot write."""
        return _writable(super().format(record), self.stream)


def print_line(text: str, stream: TextIO | None = None) -> None:
    """Print one line on a stream, stdout by default, above a progress bar that is on the screen.

    Names in it can neither begin another line nor do anything to a terminal.
    """
    print_lines(printable(text), stream)


def print_lines(text: str, stream: TextIO | None = None) -> None:
    """Print a text of several lines in the same way; names that are not to begin a line have to be `printable`."""
    stream, text = sys.stdout if stream is None else stream, hide_secrets(text)
    with Bar.external_write_mode(stream):
        print(_writable(printable_lines(text), stream), file=stream, flush=True)


def _writable(text: str, stream: TextIO) -> str:
    """Return a text with escapes for the characters that a stream's encoding lacks: file names may be any bytes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
