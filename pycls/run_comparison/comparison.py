"""All that table and page show of some runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycls.run_comparison.differences import UNKNOWN, differing_keys, seed_groups
from pycls.run_comparison.figures import Figures, Spread, run_figures, spread
from pycls.run_comparison.load_run import ComparedRun, load_run

_MOST_IN_TITLE = 3  # settings that name a group


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in the seed alone, with the spread of the finished ones."""

    title: str  # what it has that other groups do not have
    members: Sequence[int]  # numbers of runs
    finished: int
    last: Spread | None
    ema: Spread | None
    lowest: Spread | None


@dataclass(frozen=True)
class RunComparison:
    """Runs beside each other."""

    runs: Sequence[ComparedRun]
    names: Sequence[str]
    figures: Sequence[Figures]
    differences: dict[str, list[Any]]  # key -> a value for each run
    groups: Sequence[SeedGroup]  # of two runs and more
    group_of: Sequence[int]  # number of the group of each run, single ones included
    notes: Sequence[str]


def compare(folders: Sequence[Path]) -> RunComparison:
    """Read runs and compare them."""
    runs = [load_run(folder) for folder in folders]
    names, figures, differences = run_names(folders), [run_figures(run) for run in runs], differing_keys(runs)
    groups = seed_groups(runs)
    group_of = [next(number for number, members in enumerate(groups) if run in members) for run in range(len(runs))]
    repeated = [_group(members, runs, figures, differences) for members in groups if len(members) > 1]
    return RunComparison(runs, names, figures, differences, repeated, group_of, _notes(runs, names, groups))


def run_names(folders: Sequence[Path]) -> list[str]:
    """Return the paths of runs without what all of them begin with."""
    if len(folders) == 1:
        return [str(folders[0])]
    common = os.path.commonpath([os.path.realpath(folder) for folder in folders])
    return [os.path.relpath(os.path.realpath(folder), common) for folder in folders]


def state(run: ComparedRun) -> str:
    """Return how far a run has come: "40", "3 of 40", "evaluation", "none"."""
    if run.epochs == 0:
        return "evaluation" if run.records else "none"
    return f"{run.epochs}" if run.is_finished else f"{run.epochs} of {run.max_epoch or UNKNOWN}"


def _group(
    members: Sequence[int], runs: Sequence[ComparedRun], figures: Sequence[Figures], differences: dict[str, list[Any]]
) -> SeedGroup:
    own = [f"{key} {values[members[0]]}" for key, values in differences.items() if key != "RNG_SEED"]
    more = f" and {len(own) - _MOST_IN_TITLE} more" if len(own) > _MOST_IN_TITLE else ""
    title = ", ".join(own[:_MOST_IN_TITLE]) + more if own else "seeds of one config"
    done = [figures[number] for number in members if runs[number].is_finished]
    return SeedGroup(
        title,
        members,
        len(done),
        spread([one.last_err for one in done]),
        spread([one.ema_err for one in done]),
        spread([one.lowest_err for one in done]),
    )


def _notes(runs: Sequence[ComparedRun], names: Sequence[str], groups: Sequence[Sequence[int]]) -> list[str]:
    """Return one line for each run that is not as it should be."""
    notes = [f"{name}: {note}" for name, run in zip(names, runs, strict=True) for note in run.notes]
    for name, run in zip(names, runs, strict=True):
        if not run.is_finished and run.epochs:
            notes.append(f"{name}: unfinished, {state(run)} epochs; it is in no mean")
        elif not run.records:
            notes.append(f"{name}: no epoch was finished")
    for members in groups:
        seeds = [str(runs[number].seed) for number in members]  # a damaged config may hold a list
        for seed in dict.fromkeys(seeds):
            same = [names[number] for number in members if str(runs[number].seed) == seed]
            if len(members) > 1 and len(same) > 1:
                notes.append(f"{', '.join(same)}: have the same RNG_SEED {seed}; their spread is not that of seeds")
    return notes
