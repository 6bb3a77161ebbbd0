"""Choose backend and workers from the measurements: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pycls.loader_benchmark.grid import Cell
from pycls.loader_benchmark.statistics import NOT_RUN, ModelRow, Row, Speed, figure

# Two speeds closer than this are the same: what repeated runs of one cell differ by on a quiet machine.
LEAST_NOISE = 0.03


@dataclass(frozen=True)
class Recommendation:
    """What to use, and why."""

    cell: Cell
    reason: str
    equals: tuple[str, ...] = ()  # titles of others that are as fast within the noise

    @property
    def overrides(self) -> str:
        """KEY VALUE words for the command line."""
        return " ".join(self.cell.loader_overrides())


def recommend(rows: Sequence[Row], models: Sequence[ModelRow]) -> Recommendation | None:
    """Return the fastest with the network running, or of the loaders alone if none was measured with it.

    Of those that are as fast within the noise, the one with the fewest workers, then the least processor time.
    """
    fed = [(row.cell, row.speed) for row in models if row.speed]
    whole = all(row.error != NOT_RUN for row in models)  # else it would choose among those whose turn had come
    if fed and whole:
        return _choose(fed, network_noise(models), rows, "with the network running")
    alone = [(row.cell, row.speed) for row in training_rows(rows) if row.speed]
    what = "of the loader alone (the network was not fed by all that matter)"
    return _choose(alone, LEAST_NOISE, rows, what) if alone else None


def network_noise(models: Sequence[ModelRow]) -> float:
    """Return by which part of its median the network alone was off, which is the same work in every cell."""
    speeds = [row.compute for row in models if row.compute]
    return max(LEAST_NOISE, (max(speeds) - min(speeds)) / (2 * median(speeds)))


def training_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that decide about training: the train view, warm where there is such, uint8 where there is."""
    train = [row for row in rows if row.cell.view == "train"]
    for name, best in (("cache", "warm"), ("output", "uint8")):
        train = [row for row in train if getattr(row.cell, name) == best] or train
    return train


def _choose(speeds: Sequence[tuple[Cell, Speed]], noise: float, rows: Sequence[Row], what: str) -> Recommendation:
    cost = {row.cell: row.cpu_ms_per_image or 0.0 for row in rows}
    fastest, best = max(speeds, key=lambda entry: entry[1].median)
    noise = max(noise, (best.high - best.low) / (2 * best.median))
    ties = [(cell, speed.median) for cell, speed in speeds if speed.median >= (1 - noise) * best.median]
    chosen, speed = min(ties, key=lambda entry: (entry[0].workers, cost.get(entry[0], 0.0), -entry[1]))
    reason = f"{figure(speed)} images/s {what}"
    if chosen != fastest:
        reason += f"; {fastest.loader} made {figure(best.median)}, which is within the noise of {100 * noise:.0f} %"
    return Recommendation(chosen, reason, tuple(cell.loader for cell, _ in ties if cell != chosen))


def model_candidates(rows: Sequence[Row], count: int) -> list[Cell]:
    """Return the cells to try with the network: the fastest of `count` variants, and the best one's fewer workers."""
    speeds = [(row.cell, row.speed.median) for row in training_rows(rows) if row.speed]
    ranked = [cell for cell, _ in sorted(speeds, key=lambda entry: -entry[1])]
    fastest: dict[str, Cell] = {}
    for cell in ranked:
        fastest.setdefault(cell.variant.title, cell)
    chosen = list(fastest.values())[:count]
    fewer = [cell for cell in ranked if chosen and _is_lighter(cell, chosen[0])]
    return chosen + sorted(fewer, key=lambda cell: -cell.workers)


def _is_lighter(cell: Cell, than: Cell) -> bool:
    """Tell whether a cell differs in having fewer workers only."""
    return (cell.variant, cell.batch_size) == (than.variant, than.batch_size) and cell.workers < than.workers
