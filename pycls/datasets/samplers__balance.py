"""The balanced sampler: an epoch's order in which every class comes equally often, as a pure function."""

import numpy as np

from pycls.datasets.transforms.rng import Stream, hashes
from pycls.datasets.samplers import epoch_order


def balanced_order(seed: int, epoch: int, labels: np.ndarray) -> np.ndarray:
    """Return sample indices, int64 (N,), with every class that has images N / classes times (or once more).

    A rare class goes through all its images before one comes again, then as its next view (see repeats.py); of a
    frequent one each epoch shows another part.
    """
    shuffled = epoch_order(seed, epoch, len(labels))
    members = shuffled[np.argsort(labels[shuffled], kind="stable")]  # class after class, each in random order
    _, starts, counts = np.unique(labels[members], return_index=True, return_counts=True)
    places = np.arange(len(labels))
    group, turn = (places + epoch) % len(counts), places // len(counts)  # the remainder goes round the classes
    chosen = members[starts[group] + turn % counts[group]] + turn // counts[group] * len(labels)
    return chosen[np.argsort(hashes(seed, Stream.BALANCE, epoch, places), kind="stable")]
