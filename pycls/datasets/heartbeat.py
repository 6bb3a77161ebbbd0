"""Where workers note which image they are busy with, for the watchdog to read from outside."""

import numpy as np
import torch

NOTHING = -1


class Heartbeat:
    """Where one piece of work notes what it is busy with; C code writes into `row` itself."""

    def __init__(self, row: np.ndarray):
        self.row = row  # int64 (2,): index of a sample or NOTHING, number of notes so far

    def __call__(self, index: int) -> None:
        """Note a sample, or NOTHING."""
        self.row[0] = index
        self.row[1] += 1


class HeartbeatBoard:
    """Which sample each piece of work is busy with: int64 (pieces, 2), index and number of notes so far."""

    def __init__(self, num_heartbeats: int, shared: bool):
        self._rows = torch.tensor([[NOTHING, 0]] * num_heartbeats)
        if shared:
            self._rows.share_memory_()

    def __len__(self) -> int:
        return len(self._rows)

    def heartbeat(self, number: int) -> Heartbeat:
        """Return one of them; one piece of work at a time may use it."""
        return Heartbeat(self._rows[number].numpy())

    def read(self) -> np.ndarray:
        """Return a copy of all rows."""
        return self._rows.numpy().copy()
