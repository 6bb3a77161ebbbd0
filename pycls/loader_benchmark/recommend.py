"""Choose backend and workers from the measurements: pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pycls.loader_benchmark.grid import Cell
from pycls.loader_benchmark.statistics import NOT_RUN, ModelRow, Row, figure

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
    fed = [row for row in models if row.end_to_end]
    whole = all(row.error != NOT_RUN for row in models)  # else it would choose among those whose turn had come
    if fed and whole:
        speeds = [(row.cell, row.end_to_end, row.low, row.high) for row in fed]
        return _choose(speeds, network_noise(fed), rows, "with the network running")
    alone = [(r.cell, r.images_per_sec, r.p5, r.p95) for r in training_rows(rows) if r.images_per_sec]
    what = "of the loader alone (the network was not fed by all that matter)"
    return _choose(alone, LEAST_NOISE, rows, what) if alone else None


def network_noise(models: Sequence[ModelRow]) -> float:
    """Return by which part of its median the network alone was off, which is the same work in every cell."""
    speeds = [row.compute for row in models]
    return max(LEAST_NOISE, (max(speeds) - min(speeds)) / (2 * median(speeds)))


def training_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that decide about training: the train view, warm where there is such, uint8 where there is."""
    train = [row for row in rows if row.cell.view == "train"]
    for name, best in (("cache", "warm"), ("output", "uint8")):
        train = [row for row in train if getattr(row.cell, name) == best] or train
    return train


def _choose(
    speeds: Sequence[tuple[Cell, float, float, float]], noise: float, rows: Sequence[Row], what: str
) -> Recommendation:
    cost = {row.cell: row.cpu_ms_per_image or 0.0 for row in rows}
    best = max(speeds, key=lambda entry: entry[1])
    noise = max(noise, (best[3] - best[2]) / (2 * best[1]))
    ties = [entry for entry in speeds if entry[1] >= (1 - noise) * best[1]]
    cell, speed, *_ = min(ties, key=lambda entry: (entry[0].workers, cost.get(entry[0], 0.0), -entry[1]))
    reason = f"{figure(speed)} images/s {what}"
    if cell != best[0]:
        reason += f"; {best[0].loader} made {figure(best[1])}, which is within the noise of {100 * noise:.0f} %"
    return Recommendation(cell, reason, tuple(entry[0].loader for entry in ties if entry[0] != cell))


def model_candidates(rows: Sequence[Row], count: int) -> list[Cell]:
    """Return the cells to try with the network: the fastest of `count` variants, and the best one's fewer workers."""
    ranked = sorted((r for r in training_rows(rows) if r.images_per_sec), key=lambda r: -r.images_per_sec)
    fastest: dict[str, Cell] = {}
    for row in ranked:
        fastest.setdefault(row.cell.variant.title, row.cell)
    chosen = list(fastest.values())[:count]
    fewer = [r.cell for r in ranked if chosen and _is_lighter(r.cell, chosen[0])]
    return chosen + sorted(fewer, key=lambda cell: -cell.workers)


def _is_lighter(cell: Cell, than: Cell) -> bool:
    """Tell whether a cell differs in having fewer workers only."""
    return (cell.variant, cell.batch_size) == (than.variant, than.batch_size) and cell.workers < than.workers
