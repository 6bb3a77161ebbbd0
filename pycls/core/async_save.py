"""Save without stopping training: copy the state to host memory, then write it on a thread, one job at a time."""

import copy
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import torch
from torch import Tensor, nn


class Background:
    """Runs jobs in the order given, one at a time; whoever comes next hears of a job that failed."""

    def __init__(self, name: str):
        self._pool = futures.ThreadPoolExecutor(1, name)  # Python waits for its thread before it exits
        self._running: futures.Future | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Start a job, after the one before has ended; raise what that one raised."""
        self.wait()
        self._running = self._pool.submit(job)

    def check(self) -> None:
        """Raise what the job raised, if it has ended; costs nothing."""
        if self._running is not None and self._running.done():
            self.wait()

    def wait(self) -> None:
        """Wait for the job; raise what it raised, once."""
        if self._running is None:
            return
        futures.wait([self._running])  # may be interrupted: then the job is still known
        ended, self._running = self._running, None
        ended.result()

    def close(self) -> BaseException | None:
        """Wait for the job and end the thread; return what it raised, if nobody has heard of it."""
        self._pool.shutdown()
        ended, self._running = self._running, None
        return ended.exception() if ended is not None else None


def snapshot(state: dict[str, Any]) -> dict[str, Any]:
    """Return an independent copy of nested dictionaries and lists, every tensor of it in host memory.

    Tensors that share memory share it in the copy too, and keep size and layout: saved, both are the same. The device
    is waited for once; from CUDA the copies go into page-locked memory, which torch keeps for the next snapshot.
    """
    storages: dict[tuple, torch.UntypedStorage] = {}
    # What deepcopy finds in its memo it does not copy again.
    memo: dict[int, Any] = {id(tensor): _copy(tensor, storages) for tensor in _tensors(state)}
    if any(device == "cuda" for device, *_ in storages):
        torch.cuda.current_stream().synchronize()
    return copy.deepcopy(state, memo)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _copy(tensor: Tensor, storages: dict[tuple, torch.UntypedStorage]) -> Tensor:
    """Return the tensor over a copy of its storage, which is made once; on CUDA it is ready after a synchronization."""
    assert type(tensor) in (Tensor, nn.Parameter), f"a {type(tensor).__name__} must be gathered first"
    storage = tensor.untyped_storage()
    key = tensor.device.type, tensor.device.index, storage.data_ptr(), storage.nbytes()
    if key not in storages:
        on_cuda = tensor.device.type == "cuda"
        host = torch.empty(storage.nbytes(), dtype=torch.uint8, pin_memory=on_cuda).untyped_storage()
        storages[key] = host.copy_(storage, non_blocking=on_cuda)
    place = storages[key], tensor.storage_offset(), tensor.size(), tensor.stride()
    return torch.empty(0, dtype=tensor.dtype).set_(*place)
