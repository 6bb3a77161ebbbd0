"""What the page shows of made-up measurements, read back by an HTML parser; names that would be HTML stay text."""

from html.parser import HTMLParser

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.loader_benchmark.grid import Cell, Variant
from pycls.loader_benchmark.report.html import save_loader_page
from pycls.loader_benchmark.report.tables import save_csv
from pycls.loader_benchmark.results import Section, Squares
from pycls.loader_benchmark.sources import Source

THREADS, TORCH = Variant("custom", "threads"), Variant("torch")
HOSTILE = "<script>alert(\"1\")</script> & 'x'"


def run(cell, sec=1.0):
    epoch = {"images": 100, "marks": [0.2, sec], "cpu_sec": 1.0, "other_cores": 0.6}
    return {"first_batch_sec": 0.5, "epochs": [epoch], "peak_mb": 400.0, "memory_kind": "PSS"}


def section(name):
    """Return measurements with all that a page can show, `name` wherever words come from outside."""
    cells = [Cell(THREADS, 1, 64), Cell(THREADS, 2, 64), Cell(TORCH, 2, 64), Cell(TORCH, 4, 64)]
    pixels = [np.full((1, 40, 40, 3), shade, np.uint8) for shade in (7, 7, 9)]
    return Section(
        Source(f"/data/{name}", "/data"),
        num_images=100,
        num_classes=8,
        mean_kb=110.4,
        num_files=64,
        left_out={"dali_gpu": f"needs {name}"},
        notes=[f"note {name}"],
        loader_runs={cell: [run(cell, 1 + cell.workers)] for cell in cells[:3]}
        | {cells[3]: [{"error": f"broke {name}"}]},
        model_runs={
            cells[1]: [{"end_to_end": 50.0, "compute": 60.0, "loader": 100.0, "data_wait_pct": 3.25}],
            cells[2]: [{"error": f"model {name}"}],
        },
        squares={"train": Squares([f"class/{name}.jpg"], pixels[0], {"custom": pixels[1], "torch": pixels[2]})},
    )


class Page(HTMLParser):
    """The tags with their attributes, and the words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words = " ".join(f"{self.words} {data}".split())

    def count(self, tag, **attrs):
        return sum(t == tag and attrs.items() <= a.items() for t, a in self.tags)


def load_page(tmp_path, *sections):
    cfg = load_cfg(None, ["MODEL.TYPE", "anynet", "MODEL.DEPTH", "50"])
    machine = {"date": "today", "processor": "a <b>fast</b> one", "cores in use": "2 of 2", "GPUs": "none"}
    save_loader_page(sections, cfg, machine, tmp_path / "page.html")
    return Page((tmp_path / "page.html").read_text(encoding="utf-8"))


def test_a_name_that_would_be_html_stays_text(tmp_path):
    """File names cannot hold a slash; titles and messages can."""
    name = HOSTILE.replace("/", "-")
    page = load_page(tmp_path, section(name), section(HOSTILE))
    harmless = load_page(tmp_path, section("x"), section("x"))
    assert page.count("script") == 0 and [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags]
    for words in ("/data/", "dali_gpu is left out: needs ", "note ", "broke ", "model "):
        assert f"{words}{HOSTILE}" in page.words and f"{words}{name}" in page.words
    assert f"{name}.jpg" in page.words and "a <b>fast</b> one" in page.words
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert f"{name}.jpg, train view, as Pillow shows it" in alts


def test_the_page_shows_what_was_measured(tmp_path):
    page = load_page(tmp_path, section("x"))
    assert page.count("tr", **{"class": "best"}) == 1 and page.count("img") == 1 + 2 * 2
    assert page.count("div", role="img") == 6, "speeds, processor time, first batch, gap, memory, network"
    for words in (
        "100 images in 8 classes, 110 KB on average; 64 different ones were drawn.",
        "Recommended here DATA_LOADER.BACKEND custom DATA_LOADER.WORKER_MODE threads DATA_LOADER.NUM_WORKERS 2",
        "Training is model-limited (the loader alone is 1.67x as fast); data wait 3.2 %.",
        "Other work kept 0.6 cores of this machine busy meanwhile",
        "Images a second of anynet, depth 50 in whole training steps of 128",
        "custom: mean 0.000, max 0",
        "torch: mean 2.000, max 2",
        "Memory was counted as PSS: PSS (proportional set size)",
    ):
        assert words in page.words


def test_a_source_without_results_is_told(tmp_path):
    empty = Section(Source("nothing", "/e"), 1, 1, 1.0, 1, loader_runs={Cell(THREADS, 1, 8): []})
    page = load_page(tmp_path, empty)
    assert "No recommendation: no training cell was measured." in page.words and "not run" in page.words
    assert "Memory was counted as nothing" in page.words
    assert page.count("h3") == 1 and "Plots" not in page.words and page.count("svg") == 0


@pytest.mark.parametrize("name", ["öl", "not\udcffunicode"])
def test_every_file_name_can_be_written(tmp_path, name):
    load_page(tmp_path, section(name))
    save_csv([section(name)], tmp_path / "cells.csv")
    assert f"/data/{name}," in (tmp_path / "cells.csv").read_text(encoding="utf-8", errors="surrogateescape")
