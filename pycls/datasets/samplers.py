"""Which samples an epoch has, in which order, and which of them each process gets.

All of it is a pure function of (seed, epoch, step, rank). A process takes slices of one global sequence, the same for
any number of processes. View v of image i of N is sample i + v * N: crops, flips and all other draws are functions of
that number. Usual training has view 0 only, repeated augmentation (Hoffer et al., CVPR 2020; Berman et al. 2019)
several in a batch, and the class-balanced sampler more of the images that come more often.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from pycls.datasets.transforms.rng import Stream, hashes

_HASH_CHUNK = 2**16  # hashing takes several times the memory of its result


def training_batches(
    order: np.ndarray, batch_size: int, rank: int, world_size: int, start_step: int = 0
) -> list[np.ndarray]:
    """Cut an epoch's order into this rank's part of each global batch, from `start_step` on.

    The ranks' parts, in rank order, make up the global batch order[step * batch_size : (step + 1) * batch_size]; an
    incomplete last batch is dropped.
    """
    steps = len(order) // batch_size
    parts = order[: steps * batch_size].reshape(steps, world_size, batch_size // world_size)
    return list(parts[start_step:, rank].copy())  # without the other ranks' parts, which could then be freed


def evaluation_batches(
    num_samples: int, batch_size: int, rank: int, world_size: int, start_step: int = 0
) -> list[np.ndarray]:
    """Cut this rank's contiguous share of 0..N-1 into batches, the last one short; each sample is on one rank."""
    share = np.array_split(np.arange(num_samples), world_size)[rank].copy()
    local = batch_size // world_size
    return [share[start : start + local] for start in range(start_step * local, len(share), local)]


def epoch_order(seed: int, epoch: int, num_samples: int) -> np.ndarray:
    """Return a permutation of 0..N-1, int64 (N,): the samples sorted by their hash (1.28 million take about 0.2 s)."""
    keys = np.empty(num_samples, np.uint64)
    for start in range(0, num_samples, _HASH_CHUNK):
        stop = min(start + _HASH_CHUNK, num_samples)
        keys[start:stop] = hashes(seed, Stream.ORDER, epoch, np.arange(start, stop))
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


class PrefetchedOrder:
    """The batches of sample indices of each epoch, computed one epoch ahead on a thread (numpy sorts without the GIL).

    Sorting ten million hashes takes two seconds, in which a GPU would have nothing to do. Those of the epoch asked for
    last are kept, too: precise batch norm reads its beginning again.
    """

    def __init__(self, compute: Callable[[int], list[np.ndarray]]):
        self._compute = compute
        self._pool = ThreadPoolExecutor(1, "pycls-order")
        self._known: dict[int, Future] = {}

    def __call__(self, epoch: int) -> list[np.ndarray]:
        """Return those of an epoch and begin with the next one's."""
        wanted = self._begin(epoch)
        batches = wanted.result()
        self._known = {epoch: wanted, epoch + 1: self._begin(epoch + 1)}
        return batches

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, epoch: int) -> Future:
        return self._known.get(epoch) or self._pool.submit(self._compute, epoch)


def balanced_order(seed: int, epoch: int, labels: np.ndarray) -> np.ndarray:
    """Return sample indices, int64 (N,), with every class that has images N / classes times (or once more).

    A rare class goes through all its images before one comes again, then as its next view (see `Views`); of a
    frequent one each epoch has another part.
    """
    shuffled = epoch_order(seed, epoch, len(labels))
    members = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class after class, each in random order
    _, starts, counts = np.unique(labels[members], return_index=True, return_counts=True)
    places = np.arange(len(labels))
    group, turn = (places + epoch) % len(counts), places // len(counts)  # the remainder goes round the classes
    chosen = members[starts[group] + turn % counts[group]] + turn // counts[group] * len(labels)
    return chosen[np.argsort(hashes(seed, Stream.BALANCE, epoch, places), kind="stable")]


def repeated_order(seed: int, epoch: int, num_images: int, repeats: int, batch_size: int) -> np.ndarray:
    """Return the views of an epoch, int64 (num_images,): those of an image in one global batch, or at its ends.

    An epoch stays as long as it is without repeats, so that it has num_images / repeats different images. In a batch
    the views of an image lie a part of it apart, which is on different processes (as in DeiT's sampler).
    """
    shown = epoch_order(seed, epoch, num_images)[: -(-num_images // repeats)]
    order = (shown[:, None] + num_images * np.arange(repeats)).ravel()[:num_images]
    apart = np.argsort(np.arange(batch_size) % repeats, kind="stable")
    whole = num_images // batch_size * batch_size  # the rest is left out
    order[:whole] = order[:whole].reshape(-1, batch_size)[:, apart].ravel()
    return order
