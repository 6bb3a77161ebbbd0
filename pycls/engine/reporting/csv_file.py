"""Tables as CSV files that are there as a whole or not at all."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from pycls.core.atomic_io import atomic_text


def write_csv(path: Path, rows: Iterable[Sequence]) -> None:
    """Write rows as they come."""
    with atomic_text(path) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
