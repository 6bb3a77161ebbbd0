"""A run as its folder tells of it: metrics.jsonl, or the log of pycls; config.yaml, or the config in the log."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycls.core.bounds.regular_file import read_regular
from pycls.core.bounds.yaml_text import MOST_BYTES, load_yaml
from pycls.core.config import flatten
from pycls.core.logging import MetricsFile, load_log_data
from pycls.core.page.curves import Record, epoch_of, last_epoch

METRICS, LOG, CONFIG = "metrics.jsonl", "stdout.log", "config.yaml"


@dataclass(frozen=True)
class ComparedRun:
    """What is known of one run."""

    folder: Path
    records: Sequence[Record]  # one of each type and epoch, the newest
    settings: dict[str, Any] | None  # "SECTION.KEY" -> value, None where no config is left
    notes: tuple[str, ...] = ()  # what is missing or damaged

    @property
    def seed(self) -> Any:
        """RNG_SEED, None where it is not known."""
        return None if self.settings is None else self.settings.get("RNG_SEED")

    @property
    def epochs(self) -> int:
        """The newest epoch that has been trained, 0 for none."""
        return last_epoch(self.records)

    @property
    def max_epoch(self) -> int:
        """The number of epochs that it was to have, as its newest record says; 0 if none says."""
        found = [str(r["epoch"]).partition("/")[2] for r in self.records if r["_type"] == "train_epoch"]
        return int(found[-1]) if found and found[-1].isdigit() else 0

    @property
    def is_finished(self) -> bool:
        """Tell whether it was trained to its end."""
        return 0 < self.max_epoch <= self.epochs


def find_runs(words: Sequence[str]) -> list[Path]:
    """Return the run folders that the words name: runs, or folders with runs below, each once, in order.

    ValueError for what is not there and for a folder without runs.
    """
    found: dict[str, Path] = {}
    for word in words:
        path = Path(word)
        if path.is_file() and path.name in (METRICS, LOG):
            path = path.parent
        if not path.is_dir():
            raise ValueError(f"{word}: expected the OUT_DIR of a run, or a folder of such; there is no such folder")
        below = sorted(_runs_below(path), key=_by_number)
        if not below:
            raise ValueError(f"{word}: no run is in it; expected {METRICS} or {LOG}, which a training writes")
        for run in below:
            found.setdefault(os.path.realpath(run), run)
    return list(found.values())


def load_run(folder: Path) -> ComparedRun:
    """Read what there is of a run; what is missing or damaged is noted, in a few words each."""
    notes: list[str] = []
    tree, records = _read_config(folder / CONFIG, notes), _read_metrics(folder / METRICS, notes)
    if tree is None or records is None:
        logged = _log_records(folder / LOG)
        in_log = [record for record in logged if record["_type"] == "cfg"]
        tree = in_log[-1] if tree is None and in_log else tree
        if records is None:
            why = f"{METRICS} is damaged and not read" if (folder / METRICS).exists() else f"no {METRICS}"
            notes.append(f"{why}, figures are those of {LOG}, 4 decimals" if logged else why)
            records = logged
    if tree is None:
        notes.append("no config is left: it is in no group, and its differences are not known")
    settings = None if tree is None else dict(flatten({key: value for key, value in tree.items() if key != "_type"}))
    return ComparedRun(folder, _newest(records), settings, tuple(notes))


def _runs_below(folder: Path) -> Iterator[Path]:
    """Yield the folder itself if it is a run, or else those below it; checkpoints are not searched."""
    for place, folders, files in os.walk(folder):
        if {METRICS, LOG} & set(files):
            folders.clear()
            yield Path(place)
        folders[:] = [name for name in folders if not name.startswith(".")]


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Sort run_9 before run_10."""
    words = "".join(char if char.isdigit() else f" {char} " for char in str(path)).split()
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words]


def _read_metrics(path: Path, notes: list[str]) -> list[Record] | None:
    if not path.is_file():
        return None
    try:
        text, records = path.read_text(), MetricsFile(path).read()
    except ValueError:  # bytes that are no text
        return None
    lost = sum(bool(line.strip()) for line in text.splitlines()) - len(records)
    if lost > (not text.endswith("\n")):  # the last line may be being written, or be cut off by a crash
        lines, are = ("1 line", "is") if lost == 1 else (f"{lost} lines", "are")
        notes.append(f"{lines} of {METRICS} cannot be read and {are} left out")
    return records


def _log_records(path: Path) -> list[Record]:
    """Return the records of a log, ours or pycls's, but those of single steps."""
    if not path.is_file():
        return []
    data = load_log_data(path, ("train_iter", "test_iter"))
    found = []
    for kind, columns in data.items():
        for values in zip(*columns.values(), strict=True):
            figures = zip(columns, values, strict=True)
            found.append({"_type": kind} | {name: value for name, value in figures if value is not None})
    return found


def _newest(records: Sequence[Any]) -> list[Record]:
    """Return the records of epochs; of those that a resumed run took again the newer ones."""
    by_epoch: dict[tuple[str, int], Record] = {}
    for record in records:
        if isinstance(record, dict) and str(record.get("_type", "")).endswith("_epoch"):
            try:
                position = record["_type"], epoch_of(record)
            except (KeyError, ValueError):
                continue
            by_epoch.pop(position, None)
            by_epoch[position] = record
    return sorted(by_epoch.values(), key=epoch_of)


def _read_config(path: Path, notes: list[str]) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        tree = load_yaml(read_regular(path, MOST_BYTES, CONFIG).decode(errors="replace"), CONFIG)
    except ValueError:
        tree = None
    if isinstance(tree, dict):
        return tree
    notes.append(f"{CONFIG} is damaged and not read")
    return None
