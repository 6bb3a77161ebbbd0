"""Each process of a run shows the others that it lives, and learns when one does not: a wait must not last for ever.

Every second a thread writes where its process is into the store of the process group, and looks at the next process's
entry. A slow process has a pulse, too: it may evaluate, compile or read for hours. Only seconds spent watching count,
so that a job that a scheduler puts to sleep goes on afterwards.
"""

import contextlib
import datetime
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch.distributed as dist

from pycls.core.last_words import say_on_stderr
from pycls.core.registry import first_line
from pycls.core.stop_signals import EXIT_STOPPED, PeerLostError, handle_signals

GOES_ON = "the same command goes on from the newest checkpoint"

_BEAT_SEC = 1.0
_SUSPICIOUS_SEC = 5.0  # patience once a connection has broken: the run ends, and it is asked why
_HANG_SEC = 10.0  # for a main thread to notice what its thread knows
_STORE_SEC = 30.0  # for an answer of the store
_POLL_SEC = 0.1
_END = "end"  # the entry that says why the run ends


class Position:
    """Where this process is in its run, in words."""

    def __init__(self) -> None:
        self.text = "the start"

    def note(self, text: str) -> None:
        """Say where."""
        self.text = text


HERE = Position()


class Pulse:
    """A thread that shows this process alive and watches another; `end` is why the run ends, once it must."""

    def __init__(self, store: dist.Store, rank: int, world_size: int, patience_sec: float):
        self._store, self._rank, self._world_size = store, rank, world_size
        self._patience_sec = patience_sec
        self.end: dict[str, Any] = {}
        self._ended, self._closed, self._seen = threading.Event(), threading.Event(), threading.Event()
        self._still_sec, self._last = 0.0, ""
        self._beats = 0
        self._show()
        self._thread = threading.Thread(target=self._run, name="pycls-pulse", daemon=True)
        self._thread.start()

    def suspect(self) -> dict[str, Any]:
        """Wait, not long, for why the run ends, as a connection has broken; {} if everyone lives."""
        self._patience_sec = min(self._patience_sec, _SUSPICIOUS_SEC)
        self._ended.wait(self._patience_sec + 5 * _BEAT_SEC)
        self._seen.set()
        return self.end

    def tell(self, text: str, lost: bool) -> None:
        """Tell the others why the run ends."""
        self._seen.set()
        tell_end(self._store, self._rank, text, lost)

    def close(self) -> None:
        """End the thread, as this process has done its part."""
        self._closed.set()
        self._thread.join()
        with contextlib.suppress(dist.DistError):
            self._store.set(_entry(self._rank), "done")

    def _run(self) -> None:
        while not self._closed.wait(_BEAT_SEC):
            try:
                self._beat()
            except dist.DistError:  # the store is gone with its process
                self.end = {"text": "the process that keeps the store (rank 0, or torchrun) is gone", "lost": True}
            if self.end:
                return self._wait_for_main()

    def _show(self) -> None:
        self._beats += 1
        self._store.set(_entry(self._rank), f"{self._beats}|{_who(self._rank)}|{HERE.text}")

    def _beat(self) -> None:
        self._show()
        if self._store.check([_END]):
            self.end = json.loads(self._store.get(_END))
            return
        number, now = self._neighbor()
        if now == self._last:
            self._still_sec += _BEAT_SEC
        else:
            self._still_sec, self._last = 0.0, now
        if number is not None and self._patience_sec and self._still_sec >= self._patience_sec:
            text = f"{last_seen(self._store, number)}, is gone or gave no sign for {self._still_sec:.0f} s"
            tell_end(self._store, number, text, lost=True)

    def _neighbor(self) -> tuple[int | None, str]:
        """Return the next process that is not done, and its entry; (None, "") when all others are."""
        for step in range(1, self._world_size):
            number = (self._rank + step) % self._world_size
            entry = _entry(number)
            text = self._store.get(entry).decode() if self._store.check([entry]) else ""
            if text != "done":
                return number, text
        return None, ""

    def _wait_for_main(self) -> None:
        """Let the main thread fail by itself, in its turn; end the process where it waits for ever."""
        self._ended.set()
        end = time.monotonic() + _HANG_SEC
        while time.monotonic() < end:
            if self._seen.wait(_POLL_SEC) or self._closed.is_set():
                return
        say_on_stderr(f"error: {sentence(self.end, self._rank)}")
        os._exit(EXIT_STOPPED if self.end["lost"] else 1)


def run_store(host: str, port: int, *, is_master: bool = False) -> dist.TCPStore:
    """Open the store in which the processes of a run meet, or keep it (`is_master`, port 0: any that is free)."""
    patience = datetime.timedelta(seconds=_STORE_SEC)
    return dist.TCPStore(host, port, is_master=is_master, timeout=patience, wait_for_workers=False)


def of_this_start(store: dist.Store) -> dist.Store:
    """Return the part of the store that belongs to this start: torchrun keeps one store for several."""
    return dist.PrefixStore(f"pycls/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)


def tell_end(store: dist.Store, rank: int, text: str, lost: bool) -> None:
    """Tell all processes why the run ends, for which `rank` is the reason; the first word counts.

    `lost`: the run can go on as it is.
    """
    with contextlib.suppress(dist.DistError):
        store.compare_set(_END, "", json.dumps({"text": text, "lost": lost, "rank": rank}))


def last_seen(store: dist.Store, rank: int) -> str:
    """Return a process's name and where it was seen last."""
    text = store.get(_entry(rank)).decode() if store.check([_entry(rank)]) else f"|rank {rank}|the start"
    _, who, where = text.split("|", 2)
    return f"{who}, last seen at {where}"


def sentence(end: dict[str, Any], rank: int) -> str:
    """Return why this process ends, in a line that names both processes and where they were."""
    goes_on = f"; {GOES_ON}" if end["lost"] else ""
    return f"{_who(rank)}, at {HERE.text}: {end['text']}{goes_on}"


@contextlib.contextmanager
def watched_peers(patience_sec: float) -> Iterator[None]:
    """Show this process alive to the others of its group while the block runs, and watch them.

    An error that another process's end has caused becomes PeerLostError, or ChildProcessError when that one failed.
    """
    rank = dist.get_rank()
    store = run_store(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    pulse = Pulse(of_this_start(store), rank, dist.get_world_size(), patience_sec)
    try:
        yield
        pulse.close()
    except Exception as error:
        if is_of_a_connection(error):
            handle_signals(lambda number, frame: None)  # torchrun sends one now, which says less than the line to come
            end = pulse.suspect() or {"text": _nobody_gone(error), "lost": True}
            if end.get("rank") != rank:
                kind = PeerLostError if end["lost"] else ChildProcessError
                raise kind(sentence(end, rank)) from None
        pulse.tell(f"{_who(rank)} failed: {first_line(error)}", lost=False)
        if rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
            time.sleep(2 * _BEAT_SEC)  # the store, in which the others read it, ends with this process
        raise
    except BaseException as error:  # a signal that reached this process alone
        pulse.tell(f"{_who(rank)} was stopped ({first_line(error)})", lost=True)
        raise


def is_of_a_connection(error: Exception) -> bool:
    """Tell whether an exception of torch may come from the end of another process."""
    words = ("gloo", "Connection closed", "Connection reset", "Socket Timeout", "NCCL", "Broken pipe")
    is_torchs = isinstance(error, dist.DistError) or type(error) is RuntimeError
    return is_torchs and (isinstance(error, dist.DistError) or any(word in str(error) for word in words))


def _nobody_gone(error: Exception) -> str:
    return f"the others live, but one did not come in time, see DIST_TIMEOUT_MINUTES ({first_line(error)})"


def _who(rank: int) -> str:
    return f"rank {rank} (process {os.getpid()} on {platform.node()})"


def _entry(rank: int) -> str:
    return f"rank/{rank}"
