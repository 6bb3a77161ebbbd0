"""The torch backend: torchvision decodes, crops and resizes in the worker processes of torch's DataLoader."""

import atexit
import functools
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from pycls.core.plugins import imported_plugins
from pycls.datasets.backends.base import BackendOptions, FileBackend, check_worker_mode
from pycls.datasets.decoders.torchvision_io import decode_crop
from pycls.datasets.heartbeat import HeartbeatBoard
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms.view import View
from pycls.datasets.workers.bad_images import Failure
from pycls.datasets.workers.fetch import Fetcher
from pycls.datasets.workers.fork_server import worker_context
from pycls.datasets.workers.processes import death_of, prepare_worker
from pycls.datasets.workers.slots import NUM_HELD, SlotFetcher, allocate
from pycls.datasets.workers.threads import DaemonPool
from pycls.datasets.workers.watchdog import Watchdog

Request = tuple[int, np.ndarray, int]  # epoch, indices of one batch, where it is written
Answer = list[Failure] | ValueError


class TorchBackend(FileBackend):
    """Encoded files -> uint8 (B, S, S, C) batches in host memory."""

    def __init__(self, samples: FileSamples, view: View, options: BackendOptions):
        check_worker_mode("torch", options.worker_mode, "processes")
        num_workers = options.num_workers
        self._requests = Requests()
        board = HeartbeatBoard(max(1, num_workers), shared=num_workers > 0)
        self._watchdog = Watchdog(samples, board, options.timeout_sec, self._ask)
        self._waiter = DaemonPool(1, "pycls-waiter")  # waits for the DataLoader, so that this thread need not
        self._kill_workers = functools.partial(_kill, [])
        factor = _prefetch_factor(options.prefetch, num_workers)
        shape = ((factor or 0) * num_workers + NUM_HELD, options.max_batch, *view.image_shape)
        self._slots = allocate(shape, view.image_dtype, shared=num_workers > 0, pinned=options.pinned)
        fetch = Fetcher(samples, view, decode_crop, board, options.skip_bad)
        self._loader = DataLoader(
            BatchDataset(SlotFetcher(fetch, self._slots)),
            sampler=self._requests,
            batch_size=None,  # the dataset gives whole batches: no copy to put one together
            num_workers=num_workers,
            prefetch_factor=factor,
            persistent_workers=num_workers > 0,
            worker_init_fn=functools.partial(_prepare_worker, imported_plugins()),
            multiprocessing_context=worker_context(__name__) if num_workers > 0 else None,
            generator=torch.Generator(),  # else every epoch would take a number from the global one
        )

    def close(self) -> None:
        """End the open epoch and the worker processes."""
        super().close()
        if self._watchdog.gave_up:
            _kill(_workers(self._loader))
        _end_workers(self._loader)
        atexit.unregister(self._kill_workers)
        del self._loader
        self._waiter.shutdown()

    def _run(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        slots = [number % len(self._slots) for number in range(len(index_batches))]
        self._requests.now = [(epoch, *request) for request in zip(index_batches, slots, strict=True)]
        answers = self._watchdog.result(self._waiter.submit(iter, self._loader))
        self._kill_at_exit()
        for indices, slot in zip(index_batches, slots, strict=True):
            answer = self._watchdog.result(self._waiter.submit(self._next, answers))
            if isinstance(answer, ValueError):
                raise answer
            self.failures = answer
            yield self._slots[slot][: len(indices)]

    def _next(self, answers: Iterator[Answer]) -> Answer:
        """Return the next answer; ChildProcessError when a worker has died."""
        try:
            return next(answers)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):  # the words in which torch reports it
                raise
            raise death_of(_workers(self._loader)) from None

    def _kill_at_exit(self) -> None:
        """Have workers killed that are left when the program ends: before torch waits seconds for each, in its turn."""
        atexit.unregister(self._kill_workers)
        self._kill_workers = functools.partial(_kill, _workers(self._loader))
        atexit.register(self._kill_workers)


def _workers(loader: DataLoader) -> list[BaseProcess]:
    """Return the processes of a loader; none before its first epoch."""
    return [] if loader._iterator is None else loader._iterator._workers  # type: ignore[attr-defined]


def _kill(workers: list[BaseProcess]) -> None:
    """End workers that do not answer, or are not even up; torch would ask them politely, and wait."""
    for worker in workers:
        worker.kill()


def _end_workers(loader: DataLoader) -> None:
    """Tell the workers to end, and wait for them.

    torch does so when its iterator is freed. While an error is handled the traceback keeps that alive, and the garbage
    collector then closes the queues before the iterator asks the workers through them: they would stay.
    """
    iterator = loader._iterator  # None before the first epoch, and without workers
    if iterator is not None:
        iterator._shutdown_workers()  # type: ignore[attr-defined]


def _prefetch_factor(prefetch: int, num_workers: int) -> int | None:
    """Spread the batches prepared ahead over the workers, rounded up; the DataLoader counts for each worker."""
    return max(1, -(-prefetch // num_workers)) if num_workers > 0 else None


def _prepare_worker(plugins: Sequence[str], worker: int) -> None:
    prepare_worker(plugins)


class Requests(Sampler[Request]):
    """The batches of the current epoch; lives in the main process, so that the workers can outlive the epochs."""

    def __init__(self) -> None:
        self.now: Sequence[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


class BatchDataset(Dataset[Any]):
    """Write the batch of a request, uint8 (B, S, S, C), where it says; return the images in it that were bad.

    An error about a file is returned, not raised: the DataLoader would bury its sentence in a traceback.
    """

    def __init__(self, fetch: SlotFetcher):
        self._fetch = fetch

    def __getitem__(self, request: Request) -> Answer:
        epoch, indices, slot = request
        worker = get_worker_info()
        try:
            return self._fetch(slot, 0, epoch, indices, worker.id if worker else 0)
        except ValueError as error:
            return error
