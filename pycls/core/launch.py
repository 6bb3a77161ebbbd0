"""Starting the processes of a run: NUM_GPUS on this node, those of torchrun, or none beside this one."""

import contextlib
import datetime
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from pycls.core.bounds.out_of_memory import memory_line
from pycls.core.distributed import local_rank, under_torchrun


def launch(run: Callable[..., Any], args: tuple, num_processes: int, backend: str, timeout_minutes: float) -> Any:
    """Call `run(*args)` on every process and return the main process's result.

    Under torchrun this process is one of many already; otherwise `num_processes` are spawned on this node. An exception
    on one process ends them all and is raised here with its traceback. Signals that reach this process are passed on.
    """
    if under_torchrun():
        return _run_in_group(run, args, backend, timeout_minutes)
    if num_processes == 1:
        return run(*args)
    results = torch.multiprocessing.get_context("spawn").SimpleQueue()
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(num_processes)}
    child_args = (environment, run, args, backend, timeout_minutes, results)
    children = torch.multiprocessing.start_processes(
        _child_main, child_args, num_processes, join=False, start_method="spawn"
    )
    with _signals_passed_on(children.pids()):
        return _wait_for_result(children, results)


# ---- in every process of a group


def _run_in_group(run: Callable, args: tuple, backend: str, timeout_minutes: float) -> Any:
    """Join the process group, call `run(*args)` and leave; after an exception the group ends with the process."""
    if backend == "nccl":
        torch.cuda.set_device(local_rank())  # before the group exists: NCCL binds to the current device
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=timeout_minutes))
    result = run(*args)
    dist.destroy_process_group()
    return result


@dataclass(frozen=True)
class ChildError:
    """An exception on its way from a child to the parent."""

    kind: str  # name of its class
    message: str
    traceback: str


def _child_main(
    index: int, environment: dict, run: Callable, args: tuple, backend: str, timeout_minutes: float, results: Any
) -> None:
    """Run as process `index`, with the variables that torchrun would set; send the result or the error."""
    os.environ.update(environment, RANK=str(index), LOCAL_RANK=str(index), LOCAL_WORLD_SIZE=environment["WORLD_SIZE"])
    try:
        result = _run_in_group(run, args, backend, timeout_minutes)
    except Exception as error:
        # Sent before this process ends: its peers fail as soon as the connection closes, and their error says less.
        of_memory = memory_line(error)
        kind = MemoryError.__name__ if of_memory else type(error).__name__
        results.put((index, ChildError(kind, of_memory or str(error), traceback.format_exc())))
        raise
    if index == 0:
        results.put((index, result))


# ---- in the parent


def _wait_for_result(children: Any, results: Any) -> Any:
    """Wait for all children; return what the main one sent, or raise the first error that one of them sent."""
    sent: list[tuple[int, Any]] = []
    try:
        finished = False
        while not finished:
            finished = children.join(timeout=0.2, grace_period=5.0)
            _receive(results, sent)
    except Exception:
        _receive(results, sent)
        _raise_first_error(sent)
        raise
    _raise_first_error(sent)
    if not sent:
        raise RuntimeError("the main process ended without a result")
    return sent[0][1]


def _receive(results: Any, sent: list[tuple[int, Any]]) -> None:
    """Move what has arrived into `sent`, pairs of a rank and its result or ChildError."""
    while not results.empty():
        sent.append(results.get())


def _raise_first_error(sent: list[tuple[int, Any]]) -> None:
    """Raise the first error: the user's own errors as what they are, others with the child's traceback."""
    failed = next(((rank, what) for rank, what in sent if isinstance(what, ChildError)), None)
    if failed is None:
        return
    rank, error = failed
    kinds = (ValueError, FloatingPointError, OSError, TimeoutError, ChildProcessError, MemoryError)
    kind = {known.__name__: known for known in kinds}.get(error.kind)
    if kind is not None:
        raise kind(f"{error.message} (process {rank})")
    raise RuntimeError(f"process {rank} failed:\n{error.traceback}")


@contextlib.contextmanager
def _signals_passed_on(pids: list[int]) -> Iterator[None]:
    """Pass stop signals on to the children, which save and return."""

    def pass_on(number: int, frame: Any) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    in_main_thread = threading.current_thread() is threading.main_thread()  # only there can signals be handled
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT) if in_main_thread else ()
    previous = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _free_port() -> int:
    """Return a TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
