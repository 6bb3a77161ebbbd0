"""Tables as CSV files that are there as a whole or not at all."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pycls.core.atomic_io import atomic_file


def write_csv(path: Path, rows: Iterable[Sequence]) -> None:
    """Write rows as they come; names of folders may be any bytes, which are written as they are."""
    with atomic_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="", write_through=False)
        csv.writer(text, lineterminator="\n").writerows(rows)
        text.flush()
        text.detach()  # the file is closed by who opened it
