"""Which samples a process sees at which step: slices of one global sequence, the same for any number of processes."""

import numpy as np


def training_share(
    order: np.ndarray, batch_size: int, rank: int, world_size: int, start_step: int = 0
) -> list[np.ndarray]:
    """Cut an epoch's order into this rank's part of each global batch, from `start_step` on.

    The ranks' parts, in rank order, make up the global batch order[step * batch_size : (step + 1) * batch_size]; an
    incomplete last batch is dropped.
    """
    steps = len(order) // batch_size
    parts = order[: steps * batch_size].reshape(steps, world_size, batch_size // world_size)
    return list(parts[start_step:, rank].copy())  # without the other ranks' parts, which could then be freed


def evaluation_share(
    num_samples: int, batch_size: int, rank: int, world_size: int, start_step: int = 0
) -> list[np.ndarray]:
    """Cut this rank's contiguous share of 0..N-1 into batches, the last one short; each sample is on one rank."""
    share = np.array_split(np.arange(num_samples), world_size)[rank].copy()
    local = batch_size // world_size
    return [share[start : start + local] for start in range(start_step * local, len(share), local)]
