"""The board on which workers note which image they are busy with, for the watchdog to read from outside."""

import numpy as np
import torch

NOTHING = -1


class Cell:
    """Where one piece of work notes what it is busy with; C code writes into `row` itself."""

    def __init__(self, row: np.ndarray):
        self.row = row  # int64 (2,): index of a sample or NOTHING, number of notes so far

    def __call__(self, index: int) -> None:
        """Note a sample, or NOTHING."""
        self.row[0] = index
        self.row[1] += 1


class Board:
    """Which sample each piece of work is busy with: int64 (cells, 2), index and number of notes so far."""

    def __init__(self, num_cells: int, shared: bool):
        self._cells = torch.tensor([[NOTHING, 0]] * num_cells)
        if shared:
            self._cells.share_memory_()

    def __len__(self) -> int:
        return len(self._cells)

    def cell(self, number: int) -> Cell:
        """Return a cell; one piece of work at a time may use it."""
        return Cell(self._cells[number].numpy())

    def read(self) -> np.ndarray:
        """Return a copy of the cells."""
        return self._cells.numpy().copy()
