"""The tables of the terminal, the CSV file and the page: one list of columns for all three."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from pycls.engine.reporting.csv_file import write_csv
from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.results import BUSY_CORES, Section
from pycls.loader_benchmark.statistics import ModelRow, Row


@dataclass(frozen=True)
class Column:
    """One column of the table."""

    title: str
    key: str  # in the CSV file
    value: Callable[[Row], Any]
    digits: int | None = None  # after the point; None: text


COLUMNS = (
    Column("backend", "backend", lambda row: row.cell.variant.title),
    Column("workers", "workers", lambda row: row.cell.workers, 0),
    Column("batch", "batch_size", lambda row: row.cell.batch_size, 0),
    Column("view", "view", lambda row: VIEWS[row.cell.view]),
    Column("cache", "cache", lambda row: row.cell.cache),
    Column("output", "output", lambda row: row.cell.output),
    Column("images/s", "images_per_sec", lambda row: row.images_per_sec, 0),
    Column("p5", "images_per_sec_p5", lambda row: row.p5, 0),
    Column("p95", "images_per_sec_p95", lambda row: row.p95, 0),
    Column("CPU ms/image", "cpu_ms_per_image", lambda row: row.cpu_ms_per_image, 2),
    Column("first batch (s)", "first_batch_sec", lambda row: row.first_batch_sec, 2),
    Column("epoch gap (s)", "epoch_gap_sec", lambda row: row.epoch_gap_sec, 3),
    Column("peak memory (MB)", "peak_memory_mb", lambda row: row.peak_mb, 0),
    Column("data wait (%)", "data_wait_pct", lambda row: row.data_wait_pct, 1),
)


def cell_text(column: Column, row: Row) -> str:
    """Return a figure as text; what was not measured is a dash."""
    value = column.value(row)
    if value is None:
        return "-"
    return str(value) if column.digits is None else f"{value:.{column.digits}f}"


def text_table(rows: Sequence[Row]) -> str:
    """Return an aligned table, errors in place of figures."""
    cells = [[cell_text(column, row) for column in COLUMNS] for row in rows]
    aligns = ["left" if column.digits is None else "right" for column in COLUMNS]
    titles = [column.title for column in COLUMNS]
    lines = tabulate(cells, titles, "plain", colalign=aligns, disable_numparse=True).splitlines()
    marks = ["", *(f"  {row.error}" if row.error else "" for row in rows)]
    return "\n".join(line + mark for line, mark in zip(lines, marks, strict=True))


def model_text(row: ModelRow) -> str:
    """Return one line about a loader with the network."""
    if row.error:
        return f"{row.cell.loader}: {row.error}"
    return (
        f"{row.cell.loader}: {row.end_to_end:.1f} images/s ({row.low:.1f}-{row.high:.1f}), "
        f"data wait {row.data_wait_pct:.1f} %; "
        f"network alone {row.compute:.1f}, loader alone {row.loader:.1f}; {row.verdict}"
    )


def section_text(section: Section) -> str:
    """Return all that the terminal shows of a source."""
    parts = [f"{section.source.title}: {section.num_images} images, {section.num_classes} classes", ""]
    parts += [text_table(section.rows), ""]
    parts += [f"note: {warning}" for warning in section.warnings]
    parts += [f"with the network: {model_text(row)}" for row in section.model_rows]
    return "\n".join(parts + recommendation_lines(section))


def recommendation_lines(section: Section) -> list[str]:
    """Return the recommendation as lines of text."""
    choice = section.recommendation
    if choice is None:
        return ["No recommendation: no training cell was measured."]
    lines = [f"Recommended: {choice.overrides}", f"  {choice.reason}"]
    return lines + ([f"  as fast within the noise: {', '.join(choice.equals)}"] if choice.equals else [])


def save_csv(sections: Sequence[Section], path: Path) -> None:
    """Write one line a cell, full precision, with the source in front and what the network did at the end."""
    extra = ["timed_epochs", "spread", "batch_ms_p95", "other_cores", "memory_kind", "end_to_end_images_per_sec"]
    titles = ["source", *(column.key for column in COLUMNS), *extra, "warning", "error"]
    write_csv(path, [titles, *(line for section in sections for line in _csv_lines(section))])


def _csv_lines(section: Section) -> Iterator[list[Any]]:
    models = {row.cell: row for row in section.model_rows}
    for row in section.rows:
        figures = [column.value(row) for column in COLUMNS]
        yield [section.source.title, *figures, *_extra(row, models.get(row.cell)), _busy(row), row.error]


def _extra(row: Row, model: ModelRow | None) -> list[Any]:
    fed = model.end_to_end if model else None
    return [row.num_epochs, row.spread, row.batch_ms_p95, row.other_cores, row.memory_kind, fed]


def _busy(row: Row) -> str:
    return "other work kept cores busy" if (row.other_cores or 0.0) > BUSY_CORES else ""
