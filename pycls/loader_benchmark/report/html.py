"""One HTML page that carries everything: recommendation, plots, tables, crops, environment; no network, no script."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from yacs.config import CfgNode

from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.report.html__page_plots import plots_html
from pycls.loader_benchmark.report.html__page_tables import cells_html, network_html
from pycls.loader_benchmark.report.pixel_differences import FACTOR, SIDE_PX, crops_html
from pycls.loader_benchmark.report.style import STYLE
from pycls.loader_benchmark.results import Section

_BUSY_CORES = 0.25  # other work that is worth a warning

MEASURED = (
    "Every row was measured in processes of its own, in rounds of random order. The first epoch starts the workers and "
    "warms the cache; the next ones are timed from asking for the epoch to its last batch.",
    "<b>images/s</b>: median over the timed epochs of all rounds; p5 and p95: percentiles of the same. "
    "<b>uint8</b>: until the 8-bit batch lies ready for the device, in host memory (dali_gpu: on the GPU); copying to "
    "a GPU and normalizing are not in it. <b>float</b>: normalized batches on the device, as the network gets them.",
    "<b>CPU ms/image</b>: user and system time of the whole process tree over the timed epochs, to 10 ms a process, "
    "and little disturbed by other work on the machine.",
    "<b>first batch</b>: from building the loader, in an interpreter with the libraries imported and the file list "
    "read, to its first batch, worker start included. <b>epoch gap</b>: from the last batch of an epoch to the first "
    "of the next.",
    "<b>cold</b>: the files are dropped from the page cache before every timed epoch; a disk's or a server's own cache "
    "stays. <b>peak memory</b>: of the whole process tree, sampled every 50 ms in the first epoch and after the last; "
    "interpreter and libraries are in it.",
)


_MEMORY = (
    "PSS (proportional set size) shares memory that several processes use among them, RSS (resident set size) counts "
    "it once in each."
)


def save_page(sections: Sequence[Section], cfg: CfgNode, machine: dict[str, str], path: Path) -> None:
    """Write the page."""
    parts = ["<h1>Which loader is fastest here?</h1>", _lead(cfg, machine)]
    parts += [_section_html(section, cfg) for section in sections]
    parts += [
        "<h2>What was measured</h2>",
        _list([*MEASURED, _memory_note(sections)]),
        "<h2>Environment</h2>",
        _environment(machine),
    ]
    path.write_text(_document("\n".join(parts)))


def _memory_note(sections: Sequence[Section]) -> str:
    kinds = {row.memory_kind for section in sections for row in section.rows if row.memory_kind}
    return f"Memory was counted as {' and '.join(sorted(kinds)) or 'nothing'}: {_MEMORY}"


def _document(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Loader comparison</title>\n<style>\n{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _lead(cfg: CfgNode, machine: dict[str, str]) -> str:
    resize = f"{cfg.TRAIN.INTERPOLATION} in training, {cfg.TEST.INTERPOLATION} in evaluation"
    text = (
        f"{machine['cores in use']} cores of {machine['processor']}, GPUs: {machine['GPUs']}; {machine['date']}. "
        f"Squares of {cfg.TRAIN.IM_SIZE} px, {resize}, antialias {'on' if cfg.DATA_LOADER.ANTIALIAS else 'off'}."
    )
    return f'<p class="soft">{escape(text)}</p>'


def _section_html(section: Section, cfg: CfgNode) -> str:
    parts = [f"<h2>{escape(section.source.title)}</h2>", _about(section), _choice(section, cfg), _warnings(section)]
    rows = [row for row in section.rows if row.images_per_sec]
    if rows:
        parts += ["<h3>Plots</h3>", plots_html(rows, section.model_rows)]
    if section.model_runs:
        parts += ["<h3>With the network</h3>", network_html(section, cfg)]
    parts += ["<h3>All cells</h3>", cells_html(section)]
    parts += [_crops(section, view) for view in section.squares]
    return "\n".join(part for part in parts if part)


def _about(section: Section) -> str:
    text = (
        f"{section.num_images} images in {section.num_classes} classes, {section.mean_kb:.0f} KB on average; "
        f"{section.num_files} different ones were drawn."
    )
    return f'<p class="soft">{escape(text)}</p>'


def _choice(section: Section, cfg: CfgNode) -> str:
    choice = section.recommendation
    if choice is None:
        return '<div class="card warning"><p>No recommendation: no training cell was measured.</p></div>'
    lines = ["<p><b>Recommended here</b></p>", f"<p><code>{escape(choice.overrides)}</code></p>"]
    lines.append(f"<p>{escape(choice.reason)}.</p>")
    model = next((row for row in section.model_rows if row.cell == choice.cell and row.verdict), None)
    if model:
        lines.append(f"<p>Training is {escape(model.verdict)}; data wait {model.data_wait_pct:.1f} %.</p>")
    if choice.equals:
        lines.append(f'<p class="soft">As fast within the noise: {escape(", ".join(choice.equals))}.</p>')
    return f'<div class="card choice">{"".join(lines)}</div>'


def _warnings(section: Section) -> str:
    items = [f"{name} is left out: {reason}" for name, reason in section.left_out.items()] + section.notes
    if section.other_cores > _BUSY_CORES:
        items.append(
            f"Other work kept {section.other_cores:.1f} cores of this machine busy meanwhile: speeds are lower than on "
            "a quiet one and vary more. CPU ms/image is the column to trust; measure again when it is idle."
        )
    return f'<div class="card warning">{_list([escape(item) for item in items])}</div>' if items else ""


def _list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _crops(section: Section, phase: str) -> str:
    view = VIEWS[phase]
    text = (
        f"The same images from each backend, the middle {SIDE_PX} px of the square at most; below, the difference to "
        f"Pillow's pixels times {FACTOR} (white: none). Mean and max are gray levels of 255 over the whole square."
    )
    crops = crops_html(section.squares[phase], view)
    return f'<h3>Pixels, {view} view</h3><p class="soft">{text}</p><div class="card">{crops}</div>'


def _environment(machine: dict[str, str]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in machine.items())
    return f'<div class="card"><dl>{items}</dl></div>'
