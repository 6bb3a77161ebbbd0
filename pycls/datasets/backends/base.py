"""What the backends for encoded files share: one open epoch at a time, and the contract of `batches`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from pycls.datasets.workers.bad_images import Failure


class Backend(Protocol):
    """What turns sample indices into pixels."""

    failures: Sequence[Failure]  # the bad images in the batch that was drawn last
    interrupt: Callable[[], None] | None  # called now and then while waiting for a batch; may raise to end that

    def batches(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield uint8 (B, S, S, C) for each index array, in order: RGB, or as many channels as the view says.

        A host tensor stays valid until the second next one is drawn; a CUDA tensor is new and ready on the current
        stream.
        """

    def close(self) -> None:
        """Stop workers and free buffers."""


@dataclass(frozen=True, kw_only=True)
class BackendOptions:
    """What all backends for encoded files are told."""

    num_workers: int  # threads or processes; DALI has at least one
    prefetch: int  # batches prepared ahead
    pin_memory: bool  # page-locked host batches, where there is a CUDA device
    device: torch.device  # where the batches go
    max_batch: int  # images of the largest batch
    worker_mode: str = "auto"  # auto, threads or processes
    skip_bad: bool = False  # substitute images that cannot be read, or leave them out
    timeout_sec: float = 0.0  # that a worker may spend on one image; 0: for ever

    @property
    def pinned(self) -> bool:
        """Tell whether batches in host memory are page-locked."""
        return self.pin_memory and self.device.type == "cuda"


class FileBackend(ABC):
    """Encoded files -> uint8 (B, S, S, C) batches."""

    failures: Sequence[Failure] = ()  # of the batch that was drawn last
    interrupt: Callable[[], None] | None = None  # called now and then while waiting; may raise to end that
    _running: Generator[torch.Tensor, None, None] | None = None

    def batches(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield uint8 (B, S, S, C) tensors, one for each index array, in order.

        A tensor stays valid until the second next one is drawn. An epoch that was left open ends here: its iterator
        stops. ValueError names a file that cannot be read, unless such files are skipped: then `failures` tells which.
        TimeoutError or ChildProcessError names the files in flight when a worker hangs or dies.
        """
        self._stop()
        self._running = self._run(epoch, index_batches)
        return self._running

    def close(self) -> None:
        """End the open epoch; the backend cannot be used any more."""
        self._stop()

    def _stop(self) -> None:
        if self._running is not None:
            self._running.close()
            self._running = None

    def _ask(self) -> None:
        if self.interrupt is not None:
            self.interrupt()

    @abstractmethod
    def _run(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield the batches of one epoch; clean up when closed early."""


def check_worker_mode(backend: str, worker_mode: str, possible: str) -> None:
    """Raise ValueError unless the mode is "auto" or the one that the backend has."""
    if worker_mode not in ("auto", possible):
        raise ValueError(
            f"DATA_LOADER.WORKER_MODE: '{worker_mode}' is not possible with DATA_LOADER.BACKEND '{backend}', "
            f"which always uses {possible}; use 'auto' or the backend 'custom'"
        )
