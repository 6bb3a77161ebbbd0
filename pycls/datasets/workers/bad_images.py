"""What happens to an image that cannot be read or decoded under DATA_LOADER.ON_BAD_IMAGE skip.

In training another image of the same class takes its place, chosen by a hash of (seed, epoch, index): the same one for
any number of workers and processes and in every backend. In evaluation nothing may count twice: its row is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pycls.datasets.transforms.rng import Stream, uniforms

NUM_TRIES = 5  # substitutes tried for one image before the run ends


@dataclass(frozen=True)
class Failure:
    """An image that could not be shown."""

    index: int  # the sample
    name: str  # its file
    reason: str
    substitute: int | None  # the sample shown in its place; None: nothing is (evaluation)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def substitutes(labels: np.ndarray, seed: int, epoch: int, index: int) -> np.ndarray:
    """Return the samples to show in the place of a bad one, int64 (tries,): others of its class, in order of trial."""
    others = np.flatnonzero(labels == labels[index])
    others = others[others != index]
    draws = uniforms(seed, Stream.SUBSTITUTE, epoch, np.array([index]), NUM_TRIES)[0]
    return others[(draws * len(others)).astype(np.int64)] if len(others) else others


def shown_indices(indices: np.ndarray, failures: Sequence[Failure]) -> np.ndarray:
    """Return the sample that each row shows, int64 (n,): its own, or the substitute of a bad one."""
    shown = {failure.index: failure.substitute for failure in failures if failure.substitute is not None}
    return np.array([shown.get(index, index) for index in indices.tolist()], np.int64)


def settle_failures(
    images: torch.Tensor, indices: np.ndarray, failures: Sequence[Failure]
) -> tuple[torch.Tensor, np.ndarray]:
    """Return images (M, S, S, 3) and indices (M,) of what a batch really shows.

    Rows with a substitute get its index; rows without one are left out, all of them perhaps (M = 0).
    """
    shown = {failure.index: failure.substitute for failure in failures}
    keep = [row for row, index in enumerate(indices) if shown.get(index, index) is not None]
    now = np.array([shown.get(indices[row], indices[row]) for row in keep], np.int64)
    return (images if len(keep) == len(indices) else images[keep]), now
