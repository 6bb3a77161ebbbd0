"""The progress bar: on a terminal only, one line that fits, what matters most first."""

import os
import stat
import sys
import threading
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


class Bar(tqdm):
    """A bar of one process: tqdm's own lock between processes would leave a semaphore in /dev/shm after a kill."""

    _lock = threading.RLock()


_STEPS = "{desc} {percentage:3.0f} %{postfix}, {remaining} left, {n_fmt}/{total_fmt} |{bar}|"
_IMAGES = "{desc} {percentage:3.0f} %, {rate_noinv_fmt}, {remaining} left, {n_fmt}/{total_fmt} |{bar}|"
_BYTES = "{desc} {percentage:3.0f} %, {n_fmt}/{total_fmt}B, {rate_noinv_fmt}, {remaining} left |{bar}|"
_FORMATS = {"step": _STEPS, "image": _IMAGES, "byte": _BYTES}
_UNITS = {"step": " steps", "image": " images", "byte": "B"}


def progress_bar(
    items: Iterable[Any] | None,
    label: str,
    total: int | None,
    *,
    unit: str = "image",
    start: int = 0,
    delay_sec: float = 0.0,
    hidden: bool = False,
) -> Bar:
    """Return a bar over `total` steps, images or bytes (`unit`), of which `start` are done; it vanishes at the end.

    It counts `items` as they are taken, or what its `update(count)` is told; `set_postfix_str` adds figures to steps.
    It is shown after `delay_sec` seconds (short work needs none), and never where nobody looks.
    """
    return Bar(
        items,
        label,
        total,
        initial=start,
        delay=delay_sec,
        bar_format=_FORMATS[unit],
        unit=_UNITS[unit],
        unit_scale=unit == "byte",
        dynamic_ncols=True,
        leave=False,
        disable=hidden or not is_watched(),
    )


def is_watched() -> bool:
    """Tell whether there is a terminal to draw on: stderr, as long as stdout's lines do not come back through a pipe.

    `... | tee log` writes lines onto the same screen, and they would get between those of the bar. A dumb terminal,
    an editor's window for instance, cannot go back to the beginning of a line.
    """
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not _is_pipe(sys.stdout)


def _is_pipe(stream: Any) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # a stream without a file, as in notebooks and tests
        return False
