"""Read what the model zoo knows: published rows, counts of our networks, measurements made here."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycls.core.registry import did_you_mean

RECORDS = Path("pycls/zoo/records")
COUNTS = RECORDS / "zoo_counts.json"
MEASURED = RECORDS / "zoo_measured.json"


@dataclass(frozen=True)
class Entry:
    """One published network."""

    name: str
    config: str | None = None  # file below the repository; None: no config of ours
    published: dict[str, Any] = field(default_factory=dict)  # top1_err (%), params_M, flops_B, infer_ms, train_hr ...
    source: str = ""
    note: str = ""
    weights: str = ""  # URL, or what TEST.WEIGHTS takes
    known: dict[str, str] = field(default_factory=dict)  # published name -> why it is not what is counted
    group: str = ""  # of the tables of the page


@dataclass(frozen=True)
class Measurement:
    """One number measured with this code."""

    config: str
    what: str  # "top1_err" (%), "infer_ms" (64 images)
    value: float
    data: str  # on what, in words; "" for timings
    spread: str  # in words, such as "seeds 1, 2, 3: 0.85 each"
    command: str
    hardware: str
    versions: str
    date: str


def load_entries(root: Path, group: str) -> list[Entry]:
    """Read the published rows of a group from its record; none if there is no such file."""
    path = root / RECORDS / f"zoo_{group}.json"
    return [Entry(**row, group=group) for row in json.loads(path.read_text())] if path.exists() else []


def load_measurements(root: Path) -> list[Measurement]:
    """Read what was measured here."""
    return [Measurement(**row) for row in json.loads((root / MEASURED).read_text())]


def load_counts(root: Path) -> dict[str, dict[str, Any]]:
    """Read config -> {"im_size", "batch_size", convention -> {"flops", "params", "acts"}}."""
    return json.loads((root / COUNTS).read_text())


def find_entry(root: Path, groups: Iterable[str], name: str, counts: Iterable[str]) -> Entry:
    """Return the entry of a name or of a config file, published or not; ValueError with the nearest name.

    Of several rows of one name it is the first of the page's; of one config the last, whose recipe the config is.
    """
    entries = [entry for group in groups for entry in load_entries(root, group)]
    unpublished = [Entry(Path(config).stem, config) for config in counts]
    table = {entry.name: entry for entry in reversed([*entries, *unpublished])}
    table |= {entry.config: entry for entry in [*unpublished, *entries] if entry.config}
    if name not in table:
        raise ValueError(f"'{name}' is neither a network of MODEL_ZOO.md nor a config{did_you_mean(name, table)}")
    return table[name]


def config_file(root: Path, config: str) -> Path:
    """Return the file of an entry's config: below `root` in a checkout, inside the package where that is installed."""
    file = root / config
    return file if file.is_file() else root / "pycls" / config
