"""A terminal in the place of stdout and stderr: what a person sees there."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    """What a terminal of so many columns was told."""

    def __init__(self, columns: int):
        self._reading, self._writing = pty.openpty()
        fcntl.ioctl(self._writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read)  # it holds a few kB only
        self._reader.start()

    @property
    def text(self) -> str:
        """All of it, with its control characters."""
        return self._written.decode().replace("\r\n", "\n")

    def frames(self) -> list[str]:
        """Return every state of every line, one after the other, without colors."""
        parts = (part for line in _CONTROL.sub("", self.text).split("\n") for part in line.split("\r"))
        return [part for part in parts if part.strip()]

    def lines(self) -> list[str]:
        """Return the lines that remain, without colors."""
        return [line.rsplit("\r", 1)[-1] for line in _CONTROL.sub("", self.text).split("\n")]

    def open(self) -> int:
        """Return a descriptor to write to."""
        return os.dup(self._writing)

    def close(self) -> None:
        """Wait for what was written last."""
        os.close(self._writing)
        self._reader.join()
        os.close(self._reading)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # when all who could write have left
            while chunk := os.read(self._reading, 1 << 16):
                self._written += chunk


@contextlib.contextmanager
def on_terminal(columns: int) -> Iterator[Terminal]:
    """Make stdout and stderr of this process a terminal."""
    with (
        contextlib.closing(Terminal(columns)) as terminal,
        os.fdopen(terminal.open(), "w") as out,
        os.fdopen(terminal.open(), "w") as err,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        yield terminal
