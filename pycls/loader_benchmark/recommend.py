"""Choose backend and workers from the measurements: pure functions.

A loader is ahead of another only by more than repetitions of one and the same cell differ; of equals the one that
costs the least is chosen: processor time, memory, time to the first batch, in this order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from pycls.loader_benchmark.grid import Cell
from pycls.loader_benchmark.statistics import NOT_RUN, ModelRow, Row, Speed, figure

# Two speeds closer than this are the same: what repeated runs of one cell differ by on a quiet machine.
LEAST_NOISE = 0.03
# What they may differ by where nothing was repeated.
UNKNOWN_NOISE = 0.1
# A network that waits less than this for data gains nothing from a faster loader.
LEAST_WAIT_PCT = 2.0
# Costs closer than this are the same.
_SAME_COST = 0.05


@dataclass(frozen=True)
class Recommendation:
    """What to use, and why."""

    cell: Cell
    reason: str
    equals: tuple[str, ...] = ()  # titles of others that are as fast within the noise
    matters: bool = True  # False: the network hardly waits, whatever the loader

    @property
    def overrides(self) -> str:
        """KEY VALUE words for the command line."""
        return " ".join(self.cell.loader_overrides())


@dataclass(frozen=True)
class Contender:
    """What can be chosen."""

    cell: Cell
    speed: Speed
    spread: float | None  # between its repetitions, as a part of the rate; None: there was one
    row: Row | None = None  # its costs

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.speed.median


def recommend(rows: Sequence[Row], models: Sequence[ModelRow]) -> Recommendation | None:
    """Return what to use with the network running, or of the loaders alone if none was measured with it."""
    costs = {row.cell: row for row in rows}
    fed = [row for row in models if row.speed]
    whole = all(row.error != NOT_RUN for row in models)  # else it would choose among those whose turn had come
    if fed and whole:
        contenders = [Contender(row.cell, row.speed, row.spread, costs.get(row.cell)) for row in fed if row.speed]
        ties = _find_ties(contenders, network_noise(fed))
        longest = max(row.data_wait_pct or 0.0 for row in fed)
        if longest < LEAST_WAIT_PCT and len(ties.entries) == len(contenders):
            return _whatever(ties, longest)
        return _choose(contenders, ties, "with the network running")
    alone = [Contender(row.cell, row.speed, row.spread, row) for row in training_rows(rows) if row.speed]
    if not alone:
        return None
    why = " (the network was not fed by all that matter)" if models else ""
    return _choose(alone, _find_ties(alone, None), f"of the loader alone{why}")


def network_noise(models: Sequence[ModelRow]) -> float | None:
    """Return what is known to be noise, as a part of the speed; None where the network alone was measured once.

    The network alone is the same work in every cell, and none is faster with a loader than alone.
    """
    speeds = [row.compute for row in models if row.compute]
    if len(speeds) < 2:
        return None
    faster = [row.end_to_end / row.compute - 1 for row in models if row.compute and row.end_to_end]
    return max((max(speeds) - min(speeds)) / median(speeds), *faster)


def training_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that decide about training: the train view, warm where there is such, uint8 where there is."""
    train = [row for row in rows if row.cell.view == "train"]
    for name, best in (("cache", "warm"), ("output", "uint8")):
        train = [row for row in train if getattr(row.cell, name) == best] or train
    return train


@dataclass(frozen=True)
class Ties:
    """Those that no measurement tells apart, the fastest first."""

    entries: list[Contender]
    noise: float  # the largest among them, as a part of the speed
    choosable: list[Contender]  # without those that are equals only as they are unsteady, and never came near


def _find_ties(contenders: Sequence[Contender], known: float | None) -> Ties:
    """Return those that are slower than the fastest by no more than the noise; `known` is that of the network."""
    ranked = sorted(contenders, key=lambda entry: -entry.rate)
    fastest = ranked[0]
    noises = {entry.cell: _noise([known, fastest.spread, entry.spread]) for entry in ranked}
    ties = [entry for entry in ranked if entry.rate >= (1 - noises[entry.cell]) * fastest.rate]
    near = (1 - noises[fastest.cell]) * fastest.rate
    return Ties(ties, max(noises[entry.cell] for entry in ties), [tie for tie in ties if tie.speed.high >= near])


def _noise(measured: Sequence[float | None]) -> float:
    known = [part for part in measured if part is not None]
    return max(LEAST_NOISE, *known) if known else UNKNOWN_NOISE


def _whatever(ties: Ties, longest_wait_pct: float) -> Recommendation:
    chosen = _cheapest(ties.choosable)
    reason = (
        f"the loader does not matter here: the network waited for data {longest_wait_pct:.1f} % of the time at most, "
        f"and all were as fast within the noise of {_percent(ties.noise)} %; this one costs the least{_costs(chosen)}"
    )
    return Recommendation(chosen.cell, reason, _others(ties, chosen), matters=False)


def _choose(contenders: Sequence[Contender], ties: Ties, what: str) -> Recommendation:
    chosen, fastest = _cheapest(ties.choosable), ties.entries[0]
    reason = f"{figure(chosen.rate)} images/s {what}"
    noise = f"noise of {_percent(ties.noise)} %"
    if len(ties.entries) > 1:
        others = f"{fastest.cell.loader} made {figure(fastest.rate)}, which is" if chosen != fastest else "others are"
        reason += f"; {others} within the {noise}, and of the equals this one costs the least{_costs(chosen)}"
    elif len(contenders) > 1:
        second = max(entry.rate for entry in contenders if entry != chosen)
        reason += f", {_percent(chosen.rate / second - 1)} % ahead of the next, which is more than the {noise}"
    return Recommendation(chosen.cell, reason, _others(ties, chosen))


def _others(ties: Ties, chosen: Contender) -> tuple[str, ...]:
    return tuple(entry.cell.loader for entry in ties.entries if entry != chosen)


_COSTS: tuple[tuple[Callable[[Row], float | None], str], ...] = (
    (lambda row: row.cpu_ms_per_image, "{:.2f} CPU ms/image"),
    (lambda row: row.peak_mb, "{:.0f} MB"),
    (lambda row: row.first_batch_sec, "first batch after {:.2f} s"),
)


def _cheapest(ties: Sequence[Contender]) -> Contender:
    """Return the one of least cost; costs that differ by little are the same, and the next one decides."""
    left = list(ties)
    for cost, _ in _COSTS:
        known = {entry.cell: value for entry in left if entry.row and (value := cost(entry.row)) is not None}
        least = min(known.values(), default=0.0)
        left = [entry for entry in left if known.get(entry.cell, least) <= (1 + _SAME_COST) * least]
    return min(left, key=lambda entry: (entry.cell.workers, -entry.rate))


def _costs(chosen: Contender) -> str:
    values = [(text, cost(chosen.row)) for cost, text in _COSTS] if chosen.row else []
    known = ", ".join(text.format(value) for text, value in values if value is not None)
    return f": {known}" if known else ""


def _percent(part: float) -> str:
    return f"{100 * part:.0f}"


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
