"""Process groups: one code path for one process, NUM_GPUS processes on this node, and torchrun.

Everything here works without a process group too (rank 0 of 1), so callers never ask which case they are in.
"""

import contextlib
import datetime
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist


def rank() -> int:
    """Return this process's number, 0 without a process group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


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
    """Return True when torchrun (or another launcher) has set the rendezvous variables."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


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
        try:
            while not spawned.join(timeout=1.0):
                pass
        except torch.multiprocessing.ProcessRaisedException as error:
            _raise_users_error(error)
            raise
    return results.get()


def _raise_users_error(error: torch.multiprocessing.ProcessRaisedException) -> None:
    """Raise anew, as its own type, what a child said of the input or the loss; it arrives here as traceback text."""
    kind, _, sentence = error.msg.strip().splitlines()[-1].partition(": ")
    for expected in (ValueError, FloatingPointError):
        if kind == expected.__name__:
            raise expected(f"{sentence} (process {error.error_index})") from error


def _spawned(
    index: int, environment: dict, run: Callable, args: tuple, backend: str, timeout: float, results: Any
) -> None:
    os.environ.update(environment, RANK=str(index), LOCAL_RANK=str(index), LOCAL_WORLD_SIZE=environment["WORLD_SIZE"])
    result = _run_in_group(run, args, backend, timeout)
    if index == 0:
        results.put(result)


def _run_in_group(run: Callable, args: tuple, backend: str, timeout_minutes: float) -> Any:
    if backend == "nccl":
        torch.cuda.set_device(local_rank())  # before the group exists: NCCL binds to the current device
    dist.init_process_group(backend, timeout=datetime.timedelta(minutes=timeout_minutes))
    try:
        return run(*args)
    finally:
        dist.destroy_process_group()


@contextlib.contextmanager
def _signals_passed_on(pids: list[int]) -> Iterator[None]:
    """Pass stop signals on to the children, which save and return."""

    def pass_on(number: int, frame: Any) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    previous = {n: signal.signal(n, pass_on) for n in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
