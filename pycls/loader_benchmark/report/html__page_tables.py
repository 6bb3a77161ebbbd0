"""The tables of the page."""

from html import escape

from yacs.config import CfgNode

from pycls.loader_benchmark.report.tables import COLUMNS, Column, cell_text
from pycls.loader_benchmark.results import Section
from pycls.loader_benchmark.statistics import ModelRow, Row


def cells_html(section: Section) -> str:
    """Return every cell; the recommended one is marked."""
    choice = section.recommendation
    body = "".join(_table_row(row, bool(choice) and row.cell == choice.cell) for row in section.rows)
    head = "".join(f"<th{_class(column)}>{escape(column.title)}</th>" for column in COLUMNS)
    return f'<div class="card scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _table_row(row: Row, best: bool) -> str:
    cells = "".join(f"<td{_class(column)}>{escape(cell_text(column, row))}</td>" for column in COLUMNS)
    error = f'<tr><td class="wide" colspan="{len(COLUMNS)}">{escape(row.error)}</td></tr>' if row.error else ""
    return f"<tr{' class=best' if best else ''}>{cells}</tr>{error}"


def _class(column: Column) -> str:
    return "" if column.digits is None else ' class="number"'


def network_html(section: Section, cfg: CfgNode) -> str:
    """Return what the network did with each loader."""
    titles = ("loader", "images/s", "range of rounds", "data wait (%)", "network alone", "loader alone", "verdict")
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(_network_row(row) for row in section.model_rows)
    name = f"{cfg.MODEL.TYPE}, depth {cfg.MODEL.DEPTH}" if cfg.MODEL.DEPTH else cfg.MODEL.TYPE
    text = (
        f"Images a second of {name} in whole training steps of {cfg.TRAIN.BATCH_SIZE}, fed by each loader; all with "
        "float batches on the device. On a CPU the network and the loader share its cores."
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<p class="soft">{escape(text)}</p><div class="card scroll">{table}</div>'


def _network_row(row: ModelRow) -> str:
    name = row.cell.loader
    if row.error:
        return f'<tr><td>{escape(name)}</td><td class="wide" colspan="6">{escape(row.error)}</td></tr>'
    figures = (
        f"{row.end_to_end:.1f}",
        f"{row.low:.1f}-{row.high:.1f}",
        f"{row.data_wait_pct:.1f}",
        f"{row.compute:.1f}",
        f"{row.loader:.1f}",
    )
    cells = "".join(f"<td>{figure}</td>" for figure in figures)
    return f'<tr><td>{escape(name)}</td>{cells}<td class="wide">{escape(row.verdict)}</td></tr>'
