"""Before and at the start of a process: signals wait, its parent's death ends it, and a script must have its guard."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import Any

from pycls.core.registry import shown
from pycls.core.stop_signals import STOP_SIGNALS

EXIT_NO_GUARD = 78  # of a process that a script would have started in its turn (EX_CONFIG of sysexits.h)
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Keep the stop signals of this thread pending; a process that is started meanwhile inherits that.

    It has no handlers yet, and would die of what is meant for the whole run; `let_signals_in` is for its beginning.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        resource_tracker.ensure_running()  # multiprocessing's helper must live through them, too; it unblocks two
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_signals_in() -> None:
    """Deliver the stop signals that waited until this process had handlers."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def die_with_parent() -> None:
    """End this process when the one that started it is gone, however that ended.

    The system does it where it can (Linux), whatever this process is busy with. A thread of one that multiprocessing
    started waits as well: the parent of a process from a fork server is the server.
    """
    with contextlib.suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


def check_script() -> None:
    """End this process, quietly, if it is one of multiprocessing's that imports the script which started it.

    The script calls what it should call under its guard only; the process that started this one says so.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(EXIT_NO_GUARD)


def no_guard(exit_code: int | None) -> str:
    """Return in words what a script lacks whose processes ended with `exit_code`; "" if it is not that."""
    if exit_code != EXIT_NO_GUARD:
        return ""
    script = shown(str(getattr(sys.modules["__main__"], "__file__", "the script")))
    return (
        f"{script}: the processes that it starts import it, and would start others: put what it does under "
        '`if __name__ == "__main__":`'
    )


def check_main_can_start(key: str) -> None:
    """Raise ValueError, which begins with `key`, where the processes of a run could not be started from: a notebook."""
    check_script()
    path = getattr(sys.modules["__main__"], "__file__", None)
    if path is None and "IPython" in sys.modules:
        place = "a notebook: other processes do not know what its cells define"
    elif path is not None and not os.path.exists(path):
        place = f"a program without a file ({path}), which other processes cannot import"
    else:
        return
    way_out = "call it in a file, such as `python tools/train_net.py`, or set NUM_GPUS 1"
    raise ValueError(f"{key}: cannot be started from {place}; {way_out}")
