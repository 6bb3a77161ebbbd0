"""Write the tables of MODEL_ZOO.md from the records: the same records give the same tables, to the letter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycls.zoo.markdown import link, markdown_table, number
from pycls.zoo.methods import load_methods, methods_table
from pycls.zoo.records import Entry, Measurement, load_counts, load_entries, load_measurements

PAGE = Path("MODEL_ZOO.md")
_LEFT_OUT = "configs/archive/"  # older recipes of networks that are in the tables


@dataclass(frozen=True)
class ZooRow:
    """Everything that is known of one network."""

    entry: Entry
    counts: dict[str, Any]  # {} without a config
    measured: dict[str, Measurement]  # what -> the newest


@dataclass(frozen=True)
class ZooColumn:
    """One column: its title, whose number it is, and the cell of a row ("" where there is none)."""

    title: str
    whose: str  # "published" | "counted" | "measured here" | ""
    cell: Callable[[ZooRow], str]


def published(title: str, key: str, digits: int | None = None) -> ZooColumn:
    """Return a column of published numbers."""
    return ZooColumn(title, "published", lambda row: number(row.entry.published.get(key), digits))


def counted(title: str, key: str, unit: float, digits: int, convention: str = "macs") -> ZooColumn:
    """Return a column of our counts in a convention, in units of `unit`."""

    def cell(row: ZooRow) -> str:
        counts = row.counts.get(convention)
        return number(counts[key] / unit, digits) if counts else ""

    return ZooColumn(title, "counted", cell)


def measured(title: str, what: str, digits: int) -> ZooColumn:
    """Return a column of numbers measured with this code; the table of measurements tells how."""
    return ZooColumn(
        title,
        "measured here",
        lambda row: number(row.measured[what].value, digits) if what in row.measured else "",
    )


NAME = ZooColumn("network", "", lambda row: row.entry.name)
CONFIG = ZooColumn("config", "", lambda row: link("yaml", row.entry.config))
WEIGHTS = ZooColumn("weights", "published", lambda row: link("file", row.entry.weights))
SOURCE = ZooColumn("source", "", lambda row: row.entry.source)
NOTE = ZooColumn("note", "", lambda row: row.entry.note)
FLOPS = counted("flops (B)", "flops", 1e9, 1)
PARAMS = counted("params (M)", "params", 1e6, 1)
ACTS = counted("acts (M)", "acts", 1e6, 1)
BATCH_SIZE = ZooColumn("batch size", "", lambda row: number(row.counts.get("batch_size") or None, None))
IM_SIZE = ZooColumn("px", "", lambda row: number(row.counts.get("im_size"), None))
TOP1_ERR = published("top-1 err (%)", "top1_err")
TOP5_ERR = published("top-5 err (%)", "top5_err")
OUR_ERR = measured("top-1 err (%)", "top1_err", 2)
OUR_INFER = measured("infer (ms)", "infer_ms", 0)

# Record -> columns of its table.
GROUPS: dict[str, Sequence[ZooColumn]] = {
    "pycls": [
        NAME,
        FLOPS,
        PARAMS,
        ACTS,
        BATCH_SIZE,
        published("infer (ms)", "infer_ms"),
        published("train (hr)", "train_hr"),
        TOP1_ERR,
        TOP5_ERR,
        OUR_INFER,
        CONFIG,
        WEIGHTS,
    ],
    "pytorch_cls": [
        NAME,
        published("FLOPS (B)", "flops_B"),
        FLOPS,
        published("params (M)", "params_M"),
        PARAMS,
        published("acts (M)", "acts_M"),
        ACTS,
        published("batch size", "batch_size"),
        published("infer (ms)", "infer_ms"),
        published("train (hr)", "train_hr"),
        published("top-1 err (%)", "top1_err", 2),
        CONFIG,
        NOTE,
    ],
    "lip": [
        NAME,
        published("top-1 (%)", "top1_acc"),
        published("top-5 (%)", "top5_acc"),
        published("params (M)", "params_M"),
        counted("params (M)", "params", 1e6, 1),
        published("FLOPs (G)", "flops_B"),
        counted("FLOPs (G), ptflops", "flops", 1e9, 2, "ptflops"),
        counted("flops (B)", "flops", 1e9, 2),
        published("infer, 1 image (ms)", "infer_ms"),
        measured("infer, 64 images (ms)", "infer_ms", 0),
        CONFIG,
        NOTE,
    ],
    "torchvision": [
        NAME,
        IM_SIZE,
        published("params (M)", "params_M"),
        counted("params (M)", "params", 1e6, 2),
        published("FLOPs (G)", "flops_B"),
        counted("FLOPs (G), thop", "flops", 1e9, 2, "thop"),
        counted("flops (B)", "flops", 1e9, 2),
        TOP1_ERR,
        TOP5_ERR,
        published("top-1 err (%), V2 weights", "v2_top1_err"),
        CONFIG,
        NOTE,
    ],
    "pyramidnet": [NAME, PARAMS, FLOPS, published("params (M)", "params_M"), TOP1_ERR, TOP5_ERR, CONFIG, SOURCE, NOTE],
    "idml": [NAME, PARAMS, FLOPS, TOP1_ERR, TOP5_ERR, CONFIG, SOURCE, NOTE],
    "lite": [NAME, FLOPS, PARAMS, ACTS, TOP1_ERR, CONFIG, SOURCE, NOTE],
}


def page(root: Path) -> str:
    """Return MODEL_ZOO.md of the repository at `root` with its tables written anew; the words between them stay."""
    return fill_sections((root / PAGE).read_text(), tables(root))


def tables(root: Path) -> dict[str, str]:
    """Return name -> Markdown table."""
    counts, measurements = load_counts(root), load_measurements(root)
    filled, shown = {}, set()
    for group, columns in GROUPS.items():
        entries = load_entries(root, group)
        rows = [
            ZooRow(entry, counts.get(entry.config or "", {}), newest(measurements, entry.config)) for entry in entries
        ]
        filled[group] = table(columns, rows)
        shown |= {entry.config for entry in entries}
    others = [config for config in sorted(counts) if config not in shown and not config.startswith(_LEFT_OUT)]
    return filled | {
        "others": others_table(others, counts, measurements),
        "measured": measurement_table(measurements),
        "methods": methods_table(load_methods(root)),
    }


def fill_sections(text: str, contents: dict[str, str]) -> str:
    """Put each content between its two markers; ValueError when they are not there."""
    for name, content in contents.items():
        begin, end = f"<!-- {name}: begin, written by tools/model_zoo.py -->\n", f"<!-- {name}: end -->"
        head, found, rest = text.partition(begin)
        tail = rest.partition(end)[2]
        if not found or not tail:
            raise ValueError(f"{PAGE}: the markers of the table '{name}' are missing: {begin.strip()} ... {end}")
        text = f"{head}{begin}{content}\n{end}{tail}"
    return text


def newest(measurements: Sequence[Measurement], config: str | None) -> dict[str, Measurement]:
    """Return what -> the last measurement of a config."""
    return {each.what: each for each in measurements if config and each.config == config}


def table(columns: Sequence[ZooColumn], rows: Sequence[ZooRow]) -> str:
    """Return a Markdown table; columns that are empty in every row are left out."""
    cells = [[column.cell(row) for row in rows] for column in columns]
    kept = [(column, column_cells) for column, column_cells in zip(columns, cells, strict=True) if any(column_cells)]
    heads = [f"{column.title}<br>*{column.whose}*" if column.whose else column.title for column, _ in kept]
    filled = list(zip(*(column_cells for _, column_cells in kept), strict=True))
    return markdown_table(heads, filled, right=[head for head in heads if head != NAME.title])


def others_table(configs: Sequence[str], counts: dict[str, Any], measurements: Sequence[Measurement]) -> str:
    """Return the table of configs that are in no group."""
    rows = [
        ZooRow(Entry(Path(config).stem, config), counts[config], newest(measurements, config))
        for config in sorted(configs)
    ]
    path = ZooColumn("config", "", lambda row: link(str(row.entry.config), row.entry.config))
    flops = counted("flops (M)", "flops", 1e6, 1)
    params, acts = counted("params (M)", "params", 1e6, 2), counted("acts (M)", "acts", 1e6, 2)
    return table([NAME, IM_SIZE, flops, params, acts, BATCH_SIZE, OUR_ERR, path], rows)


def measurement_table(measurements: Sequence[Measurement]) -> str:
    """Return the table of what was measured, with everything that is needed to do it again."""
    rows = []
    for each in measurements:
        where = f"{each.hardware}; {each.versions}; {each.date}"
        value = number(each.value, 2)
        config = link(Path(each.config).stem, each.config)
        rows.append([config, each.what, value, each.data, each.spread, f"`{each.command}`", where])
    return markdown_table(["config", "what", "value", "on", "spread", "command", "hardware, versions, date"], rows)
