"""Rows of a list of images: CSV, TSV, or Parquet through an optional package."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pycls.core.bounds.regular_file import check_regular
from pycls.core.registry import listed, shown
from pycls.datasets.readers.endings import is_image

ENDINGS = (".csv", ".tsv", ".parquet")
# What columns may be called, the preferred names first; case, blanks and hyphens do not matter.
PATH = ("path", "filepath", "file_path", "filename", "file_name", "file", "image", "image_path", "img", "img_path")
LABEL = ("label", "class", "class_name", "category", "target")
SPLIT = ("split", "set", "subset", "partition")
EXPECTED = "expected columns path, label and perhaps split (or path,label in every line, without a header)"
_BATCH = 4096  # rows of Parquet read at once
_MOST_BYTES, _LONGEST_LINE = 1 << 34, 1_000_000  # of a list (a file of zeros is one line); a path, a hundred times
_LONGEST_CELL = 16_384  # bytes of Parquet; a path has 4,096 at most
_MOST_COLUMN_BYTES = 100_000_000  # of Parquet, in a group of rows that has short cells
_MOST_ROWS_A_BYTE = 100  # of Parquet: all paths differ, so that they cannot be packed tighter
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")

Row = tuple[int, str, str, str]  # line (of Parquet: row, from 1), path, label, split ("" without that column)


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read, by number; and what they are called, for the log."""

    path: int
    label: int
    split: int | None
    names: tuple[str, ...]  # empty without a header

    def described(self) -> str:
        """Return in words what is read."""
        if not self.names:
            return "no header: path, label" + ("" if self.split is None else ", split")
        roles = {"paths": self.path, "labels": self.label, "splits": self.split}
        return ", ".join(f"{role} from '{self.names[n]}'" for role, n in roles.items() if n is not None)


def is_list(file: Path) -> bool:
    """Tell by its ending whether a file is a list of images."""
    return file.suffix.lower() in ENDINGS


def read_table(file: Path) -> tuple[Columns, Iterator[Row]]:
    """Return the columns of a list and its rows, without those that are empty; ValueError names file and line."""
    try:
        check_regular(file.stat(), _MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if file.suffix.lower() == ".parquet":
        return _read_parquet(file)
    lines = _lines(file)
    first = next(lines, None)
    if first is None:
        raise ValueError(f"{file} is empty: {EXPECTED}")
    number, cells = first
    columns = _named_columns(file, cells) or _bare_columns(file, number, cells)
    return columns, _rows(file, columns, len(cells), lines if columns.names else _again(first, lines))


def _again(first: tuple[int, list[str]], lines: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from lines


def _rows(file: Path, columns: Columns, width: int, lines: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, cells in lines:
        if len(cells) != width:
            hint = "; put quotes around a cell that holds the separator" if len(cells) > width else ""
            raise ValueError(f"{file}:{line}: {len(cells)} columns instead of {width}{hint}")
        yield _row(file, line, cells[columns.path], cells[columns.label], _cell(cells, columns.split))


def _cell(cells: Sequence[str], number: int | None) -> str:
    return "" if number is None else cells[number]


def _row(file: Path, line: int, path: str, label: str, split: str) -> Row:
    for name, cell in (("path", path), ("label", label)):
        if not cell:
            raise ValueError(f"{file}:{line}: the {name} is empty")
        if "\0" in cell:
            raise ValueError(f"{file}:{line}: the {name} holds a zero byte")
    return line, path, label, split


# ---- columns


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _named_columns(file: Path, header: Sequence[str]) -> Columns | None:
    """Return the columns that a header names; None for what is no header."""
    names = [_plain(name) for name in header]
    path, label, split = (_find(file, names, known) for known in (PATH, LABEL, SPLIT))
    return None if path is None or label is None else Columns(path, label, split, tuple(header))


def _find(file: Path, names: list[str], known: Sequence[str]) -> int | None:
    name = next((name for name in known if name in names), None)
    if name is not None and names.count(name) > 1:
        raise ValueError(f"{file}: two columns are called '{name}'")
    return None if name is None else names.index(name)


def _bare_columns(file: Path, line: int, cells: Sequence[str]) -> Columns:
    """Return the columns of a file without header: its first line begins with the path of an image.

    "file.name" in a header is none.
    """
    if len(cells) not in (2, 3) or not (is_image(cells[0]) or (file.parent / cells[0]).is_file()):
        raise ValueError(
            f"{file}:{line}: {EXPECTED}, found {', '.join(cells)}; docs/DATA.md has other names they may have"
        )
    return Columns(0, 1, 2 if len(cells) == 3 else None, ())


# ---- text


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of a text file; names that are no valid UTF-8 keep their bytes."""
    delimiter = "\t" if file.suffix.lower() == ".tsv" else _delimiter(file)
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(_short_lines(file, text), delimiter=delimiter, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(f"{file}:{reader.line_num}: {error} (quotes that do not close?)") from None


def _short_lines(file: Path, text: TextIO) -> Iterator[str]:
    """Yield the lines of a text; ValueError for one that is too long to be a row, before all of it is in memory."""
    for number in itertools.count(1):
        line = text.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"{file}:{number}: the line is longer than {_LONGEST_LINE:,} characters")
        if not line:
            return
        yield line


def _delimiter(file: Path) -> str:
    """Return what separates the cells of a .csv file: what its first line has most of."""
    with file.open("rb") as binary:
        head = binary.read(65536)
    if head.startswith(_WIDE_TEXT):
        raise ValueError(f"{file} is UTF-16 text: save it as UTF-8")
    line = next((line for line in head.splitlines() if line.strip()), b"")
    return max(",;\t", key=lambda mark: line.count(mark.encode()))


# ---- Parquet


def _read_parquet(file: Path) -> tuple[Columns, Iterator[Row]]:
    try:
        from pyarrow import parquet
    except ImportError:
        hint = "pip install pyarrow, or save the list as CSV"
        raise ValueError(f"{file}: to read Parquet, pyarrow has to be installed ({hint})") from None
    try:
        schema = parquet.read_schema(file)
        header = list(schema.names)
        # As a dictionary a text that is repeated is in memory once.
        table = parquet.ParquetFile(
            file, read_dictionary=[name for name in header if _is_text(schema.field(name).type)]
        )
    except (ValueError, OSError) as error:  # pyarrow's own errors are kinds of these
        raise ValueError(f"{file}: {str(error).splitlines()[0]}") from None
    columns = _named_columns(file, header)
    if columns is None:
        raise ValueError(f"{file}: expected columns path, label and perhaps split, found {listed(header)}")
    _check_parquet_size(file, table.metadata)
    return columns, _parquet_rows(file, table, columns)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    texts = types.is_string, types.is_large_string, types.is_binary, types.is_large_binary
    return any(is_one(kind) for is_one in texts)


def _check_parquet_size(file: Path, metadata: Any) -> None:
    """Raise ValueError for a small file that claims to hold very much."""
    if metadata.num_rows > _MOST_ROWS_A_BYTE * file.stat().st_size:
        raise ValueError(f"{file}: {metadata.num_rows:,} rows in {file.stat().st_size:,} bytes: no list of images")
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.total_uncompressed_size > _MOST_COLUMN_BYTES + _LONGEST_CELL * group.num_rows:
                name, size = shown(column.path_in_schema), column.total_uncompressed_size
                raise ValueError(f"{file}: {group.num_rows:,} cells of column '{name}' take {size:,} bytes")


def _parquet_rows(file: Path, table: Any, columns: Columns) -> Iterator[Row]:
    wanted = [columns.names[n] for n in (columns.path, columns.label, columns.split) if n is not None]
    line = 0
    for batch in table.iter_batches(batch_size=_BATCH, columns=wanted):
        values = [_plain_values(file, name, batch.column(name)) for name in wanted]
        splits = values[2] if len(values) == 3 else [""] * len(values[0])
        for path, label, split in zip(values[0], values[1], splits, strict=True):
            line += 1
            yield _row(file, line, _text(path), _text(label), _text(split))


def _plain_values(file: Path, name: str, column: Any) -> list:
    """Return the cells of a column; ValueError for lists and the like, and for a text that no path or label has."""
    from pyarrow import compute, types

    distinct = column.dictionary if types.is_dictionary(column.type) else column
    if types.is_nested(distinct.type):
        raise ValueError(f"{file}: column '{shown(name)}' holds {shown(str(distinct.type))}, expected text or numbers")
    if _is_text(distinct.type):
        longest = compute.max(compute.binary_length(distinct)).as_py() or 0
        if longest > _LONGEST_CELL:
            raise ValueError(
                f"{file}: a cell of column '{shown(name)}' has {longest:,} bytes, {_LONGEST_CELL:,} at most"
            )
    return column.to_pylist()


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of numbers in which some were missing once
    return "" if value is None else str(value).strip()
