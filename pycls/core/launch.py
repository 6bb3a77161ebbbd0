"""Starting the processes of a run: NUM_GPUS on this node, those of torchrun, or none beside this one."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

import torch.distributed as dist

from pycls.core.distributed import under_torchrun
from pycls.core.processes.pulse import GOES_ON, last_seen, of_this_start, run_store, tell_end
from pycls.core.processes.rank import ChildError, Group, child_main, run_in_group
from pycls.core.processes.starting import check_main_can_start, no_guard, signals_held_back
from pycls.core.stop_signals import EXIT_INTERRUPTED, Interrupted, PeerLostError, handle_signals

_GRACE_SEC = 15.0  # for the others, once one process has ended wrongly: they notice, and say so
_HERE = "127.0.0.1"


def launch(
    run: Callable[..., Any],
    args: tuple,
    num_processes: int,
    backend: str,
    timeout_minutes: float,
    pulse_sec: float = 120.0,
) -> Any:
    """Call `run(*args)` on every process and return the main process's result.

    Under torchrun this process is one of many already; otherwise `num_processes` are spawned on this node. An exception
    on one process ends them all and is raised here with its traceback. Signals that reach this process are passed on.
    PeerLostError when a process is gone, or shows no sign of life for `pulse_sec` (0: for ever).
    """
    group = Group(backend, timeout_minutes, pulse_sec)
    if under_torchrun():
        return run_in_group(run, args, group)
    if num_processes == 1:
        return run(*args)
    check_main_can_start(f"NUM_GPUS {num_processes}")
    store = run_store(_HERE, 0, is_master=True)
    environment = {
        "MASTER_ADDR": _HERE,
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(num_processes),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # for torch: another process keeps the store, this one
        "TORCHELASTIC_RESTART_COUNT": "0",
    }
    with contextlib.ExitStack() as stack:
        with signals_held_back():
            children = [Child(number, (environment, run, args, group)) for number in range(num_processes)]
            passed = stack.enter_context(_signals_passed_on(children))
        return _result(children, of_this_start(store), passed)


class Child:
    """A process of the run, in the one that starts it."""

    def __init__(self, rank: int, arguments: tuple):
        context = multiprocessing.get_context("spawn")
        self.rank = rank
        self.answers, childs_end = context.Pipe(duplex=False)
        self.answer: Any = None  # what it sent: a ChildError, or its result in a tuple
        self.process = context.Process(target=child_main, args=(rank, *arguments, childs_end))
        self.process.start()
        childs_end.close()  # the child then has the only writing end, so that its end ends the pipe
        self.pid: int = self.process.pid or 0

    def receive(self) -> bool:
        """Take what it has sent; return False when it has ended."""
        try:
            self.answer = pickle.loads(self.answers.recv_bytes())
        except (EOFError, OSError):
            self.process.join(_GRACE_SEC)
            self.process.kill()  # if it hangs where Python ends
            self.process.join()
            return False
        return True

    @property
    def failed(self) -> bool:
        """Tell whether it has ended wrongly, or will."""
        return isinstance(self.answer, ChildError) or (self.answer is None and self.process.exitcode is not None)

    def end(self, store: dist.Store) -> str:
        """Return in words how it ended without an answer."""
        code = self.process.exitcode or 0
        how = f"exit code {code}" if code >= 0 else f"{signal.Signals(-code).name} (killed, or out of memory?)"
        return f"{last_seen(store, self.rank)}, was ended by {how}"


def _result(children: list[Child], store: dist.Store, passed: list[int]) -> Any:
    """Wait for all children; return what the main one sent, or raise the first error."""
    running: dict[Connection, Child] = {child.answers: child for child in children}
    first: Child | None = None
    deadline = float("inf")
    while running:
        for pipe in wait(list(running), timeout=0.2):
            assert isinstance(pipe, Connection)
            child = running[pipe]
            if not child.receive():
                del running[pipe]
            if child.failed and first is None:
                first, deadline = child, time.monotonic() + _GRACE_SEC
                if child.answer is None and not passed:
                    tell_end(store, child.rank, child.end(store), lost=True)
        if time.monotonic() > deadline:
            for child in running.values():
                child.process.kill()
    if first is not None:
        _raise_error(first, children, store, passed)
    return children[0].answer[0]


def _raise_error(first: Child, children: list[Child], store: dist.Store, passed: list[int]) -> None:
    """Raise the first error: the user's own errors as what they are, others with the child's traceback."""
    error = first.answer
    if words := no_guard(first.process.exitcode):
        raise ValueError(words)
    if any(child.process.exitcode == EXIT_INTERRUPTED for child in children):
        raise Interrupted(signal.SIGINT)
    if passed:
        raise Interrupted(passed[0])
    if error is None:
        raise PeerLostError(f"{first.end(store)}; {GOES_ON}")
    kinds = (ValueError, FloatingPointError, OSError, TimeoutError, ChildProcessError, MemoryError)
    kind = {known.__name__: known for known in kinds}.get(error.kind)
    if kind is not None:
        raise kind(f"{error.message} (process {first.rank})")
    raise RuntimeError(f"process {first.rank} failed:\n{error.traceback}")


@contextlib.contextmanager
def _signals_passed_on(children: list[Child]) -> Iterator[list[int]]:
    """Pass stop signals on to the children, which save and return; yield those that were passed on so far."""
    passed: list[int] = []

    def pass_on(number: int, frame: Any) -> None:
        passed.append(number)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)

    previous = handle_signals(pass_on)
    try:
        yield passed
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
