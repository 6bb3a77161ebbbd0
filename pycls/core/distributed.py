"""Process groups: one code path for one process, NUM_GPUS processes on this node, and torchrun.

Everything here works without a process group too (rank 0 of 1), so callers never ask which case they are in.
"""

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


def rank() -> int:
    """Return this process's number; without a process group 0, or what torchrun says."""
    if dist.is_initialized():
        return dist.get_rank()
    return int(os.environ["RANK"]) if under_torchrun() else 0


def world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def requested_world_size(num_gpus: int) -> int:
    """Return the number of processes a run will have: torchrun's, or else NUM_GPUS."""
    return int(os.environ["WORLD_SIZE"]) if under_torchrun() else num_gpus


def local_rank() -> int:
    """Return this process's number on its node."""
    return int(os.environ.get("LOCAL_RANK", 0))


def local_world_size() -> int:
    """Return the number of processes on this node."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def is_main() -> bool:
    """Return True on the process that logs and saves."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process has come here."""
    if dist.is_initialized():
        dist.barrier()


def under_torchrun() -> bool:
    """Return True when torchrun has set its variables; another launcher that sets some of them raises ValueError."""
    needed = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
    missing = needed - os.environ.keys()
    if missing and {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        raise ValueError(f"RANK and WORLD_SIZE are set, but not {', '.join(sorted(missing))}; start with torchrun")
    return not missing


def all_reduce_sum(tensor: torch.Tensor) -> torch.Tensor:
    """Sum a tensor over all processes in place and return it."""
    if dist.is_initialized():
        dist.all_reduce(tensor)
    return tensor


def any_process(flag: bool) -> bool:
    """Return True on every process if the flag is set on at least one."""
    if not dist.is_initialized():
        return flag
    device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    total = torch.tensor([int(flag)], device=device)
    dist.all_reduce(total, op=dist.ReduceOp.MAX)
    return bool(total.item())


def pick_device(name: str) -> torch.device:
    """Return the device for DEVICE auto | cuda | mps | cpu; one that is not there raises ValueError."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    if not available[name]:
        raise ValueError(
            f"DEVICE {name}: not available here (available: {', '.join(k for k, v in available.items() if v)})"
        )
    if name != "cuda":
        return torch.device(name)
    if local_rank() >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"NUM_GPUS: process {local_rank()} of this node has no GPU of its own, {count} visible")
    return torch.device("cuda", local_rank())


def gather_objects(value: Any) -> list[Any]:
    """Return every process's value, in rank order."""
    if not dist.is_initialized():
        return [value]
    values = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


@torch.no_grad()
def broadcast_buffers(module: torch.nn.Module) -> None:
    """Give every process the main process's buffers, so that all evaluate the same batch norm statistics."""
    if dist.is_initialized():
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


# ---- starting the processes


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
    spawn_args = (environment, run, args, backend, timeout_minutes, results)
    spawned = torch.multiprocessing.start_processes(
        _spawned, spawn_args, num_processes, join=False, start_method="spawn"
    )
    with _signals_passed_on(spawned.pids()):
        return _wait_for_result(spawned, results)


def _wait_for_result(spawned: Any, results: Any) -> Any:
    """Wait for all children; return what the main one sent, or raise the first error that one of them sent."""
    sent: list[tuple[int, Any]] = []
    try:
        finished = False
        while not finished:
            finished = spawned.join(timeout=0.2, grace_period=5.0)
            _drain(results, sent)
    except Exception:
        _drain(results, sent)
        _raise_first(sent)
        raise
    _raise_first(sent)
    if not sent:
        raise RuntimeError("the main process ended without a result")
    return sent[0][1]


def _drain(results: Any, sent: list[tuple[int, Any]]) -> None:
    while not results.empty():
        sent.append(results.get())


def _raise_first(sent: list[tuple[int, Any]]) -> None:
    """Raise the first error: the user's own errors as what they are, others with the child's traceback."""
    failed = next(((rank, what) for rank, what in sent if isinstance(what, ChildError)), None)
    if failed is None:
        return
    rank, error = failed
    kinds = (ValueError, FloatingPointError, OSError, TimeoutError, ChildProcessError)
    kind = {known.__name__: known for known in kinds}.get(error.kind)
    if kind is not None:
        raise kind(f"{error.message} (process {rank})")
    raise RuntimeError(f"process {rank} failed:\n{error.traceback}")


@dataclass(frozen=True)
class ChildError:
    """An exception on its way from a child."""

    kind: str
    message: str
    traceback: str


def _spawned(
    index: int, environment: dict, run: Callable, args: tuple, backend: str, timeout: float, results: Any
) -> None:
    os.environ.update(environment, RANK=str(index), LOCAL_RANK=str(index), LOCAL_WORLD_SIZE=environment["WORLD_SIZE"])
    try:
        result = _run_in_group(run, args, backend, timeout)
    except Exception as error:
        # Sent before this process ends: its peers fail as soon as the connection closes, and their error says less.
        results.put((index, ChildError(type(error).__name__, str(error), traceback.format_exc())))
        raise
    if index == 0:
        results.put((index, result))


def _run_in_group(run: Callable, args: tuple, backend: str, timeout_minutes: float) -> Any:
    if backend == "nccl":
        torch.cuda.set_device(local_rank())  # before the group exists: NCCL binds to the current device
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=timeout_minutes))
    result = run(*args)
    dist.destroy_process_group()
    return result


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
