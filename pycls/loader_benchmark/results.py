"""Everything measured on one source, and what follows from it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pycls.loader_benchmark.grid import Cell
from pycls.loader_benchmark.recommend import Recommendation, recommend
from pycls.loader_benchmark.sources import Source
from pycls.loader_benchmark.statistics import ModelRow, Raw, Row, summarize, summarize_model

BUSY_CORES = 0.25  # other work that is worth a warning


@dataclass(frozen=True)
class Squares:
    """What the backends show of the same images in one view, uint8 (N, S, S, 3) each."""

    names: list[str]  # of the images
    reference: np.ndarray  # Pillow's
    shown: dict[str, np.ndarray]  # backend -> its squares


@dataclass
class Section:
    """The measurements on one source; grows while they run, and is whole at any time."""

    source: Source
    num_images: int = 0
    num_classes: int = 0
    mean_kb: float = 0.0
    num_files: int = 0  # different images that were drawn
    left_out: dict[str, str] = field(default_factory=dict)  # backend -> why
    notes: list[str] = field(default_factory=list)
    loader_runs: dict[Cell, list[Raw]] = field(default_factory=dict)
    model_runs: dict[Cell, list[Raw]] = field(default_factory=dict)
    squares: dict[str, Squares] = field(default_factory=dict)  # view -> squares

    @property
    def rows(self) -> list[Row]:
        """Figures of every cell, in the order of the grid."""
        waits = {row.cell: row.data_wait_pct for row in self.model_rows}
        rows = [summarize(cell, runs) for cell, runs in self.loader_runs.items()]
        return [replace(row, data_wait_pct=waits.get(row.cell)) for row in rows]

    @property
    def model_rows(self) -> list[ModelRow]:
        """Figures with the network."""
        return [summarize_model(cell, runs) for cell, runs in self.model_runs.items()]

    @property
    def recommendation(self) -> Recommendation | None:
        """What to use."""
        return recommend(self.rows, self.model_rows)

    @property
    def other_cores(self) -> float:
        """Cores that other work on the machine kept busy, median over the cells; 0 when not known."""
        known = [row.other_cores for row in self.rows if row.other_cores is not None]
        return float(np.median(known)) if known else 0.0

    @property
    def warnings(self) -> list[str]:
        """What a reader of the figures must know: what is not in them, and what disturbed them."""
        found = [f"{name} is left out: {reason}" for name, reason in self.left_out.items()] + self.notes
        if self.other_cores > BUSY_CORES:
            found.append(
                f"Other work kept {self.other_cores:.1f} cores of this machine busy meanwhile: speeds are lower than "
                "on a quiet one and vary more. CPU ms/image is the column to trust; measure again when it is idle."
            )
        return found

    def figures(self) -> dict[str, Any]:
        """Return plain data about the images."""
        return {
            "title": self.source.title,
            "images": self.num_images,
            "classes": self.num_classes,
            "mean_kb": self.mean_kb,
            "files_drawn": self.num_files,
            "left_out": self.left_out,
            "notes": self.notes,
        }
