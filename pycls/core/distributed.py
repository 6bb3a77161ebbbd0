"""Rank, world size and collectives: one code path for one process, NUM_GPUS processes on this node, and torchrun.

Everything here works without a process group too (rank 0 of 1), so callers never ask which case they are in.
"""

import os
from typing import Any

import torch
import torch.distributed as dist

from pycls.core.registry import shown


def rank() -> int:
    """Return this process's number; without a process group 0, or what torchrun says."""
    if dist.is_initialized():
        return dist.get_rank()
    return _from_launcher("RANK") if under_torchrun() else 0


def world_size() -> int:
    """Return the number of processes, 1 without a process group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def requested_world_size(num_gpus: int) -> int:
    """Return the number of processes a run will have: torchrun's, or else NUM_GPUS."""
    return _from_launcher("WORLD_SIZE") if under_torchrun() else num_gpus


def local_rank() -> int:
    """Return this process's number on its node."""
    return _from_launcher("LOCAL_RANK", "0")


def local_world_size() -> int:
    """Return the number of processes on this node."""
    return _from_launcher("LOCAL_WORLD_SIZE", "1")


def _from_launcher(name: str, default: str = "") -> int:
    """Return a number that the launcher, torchrun or ours, has set; ValueError, which names it, for anything else."""
    text = os.environ.get(name, default)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"the environment variable {name} must be a whole number, got '{shown(text)}'; unset it")
    return int(text)


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
    if not missing and _from_launcher("RANK") >= _from_launcher("WORLD_SIZE"):
        of = f"RANK {os.environ['RANK']} of WORLD_SIZE {os.environ['WORLD_SIZE']}"
        raise ValueError(f"{of}: ranks are counted from 0 and below WORLD_SIZE; start with torchrun")
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
    """Return the device for DEVICE auto | cuda | cuda:N | mps | cpu; one that is not there raises ValueError.

    `cuda` is each process's own GPU; `cuda:N` is for a single process.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in available.items() if there)
    kind, _, number = name.partition(":")
    if not available[kind]:
        raise ValueError(
            f"DEVICE {name}: not available here (available: {', '.join(k for k, v in available.items() if v)})"
        )
    if kind != "cuda":
        return torch.device(kind)
    if number:
        return _numbered_gpu(name, int(number))
    if local_rank() >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ValueError(f"NUM_GPUS: process {local_rank()} of this node has no GPU of its own, {count} visible")
    return torch.device("cuda", local_rank())


def _numbered_gpu(name: str, number: int) -> torch.device:
    """Return the GPU of DEVICE cuda:N, which one process alone may ask for."""
    count = torch.cuda.device_count()
    if number >= count:
        numbers = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise ValueError(f"DEVICE {name}: there is no GPU of that number, {count} visible ({numbers})")
    if world_size() > 1 or local_world_size() > 1:
        raise ValueError(f"DEVICE {name}: several processes cannot share one GPU; set DEVICE cuda, or NUM_GPUS 1")
    return torch.device("cuda", number)


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
