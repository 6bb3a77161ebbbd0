"""compare_loaders end to end: a tiny set, two backends; and the page in a real browser."""

import csv
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from pycls.core.config import load_cfg
from pycls.datasets.synthetic import write_photos
from pycls.loader_benchmark import (
    Options,
    TableOptions,
    compare_loaders,
    comparison,
    loader_table,
    probe,
    pytorch_cls_table,
    quick_options,
)
from pycls.loader_benchmark.grid import Variant
from pycls.loader_benchmark.measure import epochs, runner
from pycls.loader_benchmark.measure.task import Job
from pycls.loader_benchmark.measure.worker_main import JOBS
from tests.helpers.runs import TINY, overrides, run_tool_here

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL = {"TRAIN.IM_SIZE": 32, "TEST.IM_SIZE": 36, "TRAIN.BATCH_SIZE": 8, "TEST.BATCH_SIZE": 8}
WORDS = overrides(TINY | SMALL | {"PREC_TIME.NUM_ITER": 2, "PREC_TIME.WARMUP_ITER": 1})


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos") / "some photographs"
    write_photos(folder, 24)
    return folder


@pytest.fixture(scope="module")
def out_dir(tmp_path_factory, photos):
    """Compare two backends on one folder, train view only; one cell has a process of its own, as all have for users."""
    out_dir = tmp_path_factory.mktemp("out")
    cfg = load_cfg(None, [*WORDS, "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "OUT_DIR", str(out_dir)])
    given = {"backends": ["custom", "dali_gpu"], "workers": [1], "batch_sizes": [8], "views": ("train",), "images": 24}
    options = quick_options(**given, rounds=1, epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        _run_here(patch, unless=lambda task: task.kind == "loader" and "threads" in task.overrides)
        result = compare_loaders(cfg, [str(photos)], options)
    assert [path.suffix for path in result.files] == [".json", ".csv", ".html"] and not result.interrupted
    return out_dir


def _run_here(patch, unless=lambda task: False):
    """Let measurements run in this process, where nothing has to start; return the list of them as they come."""
    tasks, in_a_process = [], runner.run_task

    def run_task(task, *words):
        tasks.append(task)
        if unless(task):
            return in_a_process(task, *words)
        try:
            return JOBS[task.kind](task)
        except ValueError as error:
            return {"error": str(error)}

    for module in (comparison, probe, pytorch_cls_table):
        patch.setattr(module, "run_task", run_task)
    return tasks


def test_json_holds_raw_measurements_environment_and_choice(out_dir):
    saved = json.loads((out_dir / "compare_loaders.json").read_text())
    assert {"processor", "torch", "command", "cgroup memory limit"} <= set(saved["machine"])
    (source,) = saved["sources"]
    assert (source["images"], source["classes"], source["files_drawn"]) == (24, 8, 24)
    for cell in source["cells"]:
        (run,) = cell["runs"]
        assert len(run["epochs"]) == 2 and run["peak_mb"] > 50 and not cell["error"]
        for epoch in run["epochs"]:
            assert epoch["images"] == 128 and len(epoch["marks"]) == 16 and epoch["marks"] == sorted(epoch["marks"])
            assert 0 < epoch["cpu_sec"] < 60
    assert source["with_network"][0]["compute"] > 0
    assert source["recommendation"]["overrides"].startswith("DATA_LOADER.BACKEND custom DATA_LOADER.WORKER_MODE ")
    words = source["recommendation"]["overrides"].split()
    assert load_cfg(None, words).DATA_LOADER.NUM_WORKERS == 1


def test_csv_has_a_row_for_each_cell(out_dir):
    with (out_dir / "compare_loaders.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["backend"] for row in rows] == ["custom threads", "custom processes"]
    assert all(float(row["images_per_sec"]) > 0 and float(row["cpu_ms_per_image"]) > 0 for row in rows)


class Page(HTMLParser):
    """Collect what the page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.sources, self.nameless = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.sources += [attrs[key] for key in ("src", "href", "xlink:href") if key in attrs]
        if (tag == "img" and not attrs.get("alt")) or (attrs.get("role") == "img" and not attrs.get("aria-label")):
            self.nameless.append(attrs)

    def handle_data(self, data):
        self.texts.append(data)


def test_page_is_complete_and_needs_nothing_else(out_dir):
    text = (out_dir / "compare_loaders.html").read_text()
    page = Page(text)
    words = " ".join(page.texts)
    for part in (
        "here",
        "DATA_LOADER.BACKEND custom",
        "All cells",
        "Pixels, train view",
        "Pixels, eval view",
        "Environment",
        "Plots",
    ):
        assert part in words
    assert "dali_gpu is left out: DATA_LOADER.BACKEND" in words, "the reason is told"
    assert page.tags.count("svg") >= 6 and "script" not in page.tags and not page.nameless
    assert all(re.match(r"data:image/png;base64,|#", source) for source in page.sources)
    assert "url(http" not in text and "@import" not in text
    assert re.search(r"custom: mean 0\.0\d\d, max [0-3]\b", words), "custom shows Pillow's pixels"


@pytest.mark.skipif(not BROWSER, reason="needs chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_a_desk_and_a_phone(out_dir, tmp_path, width):
    """The browser itself reports what sticks out: a script that is added for the test writes it into the page."""
    page = tmp_path / "page.html"
    frame = f'<iframe id="f" style="width:{width}px;height:900px;border:0" srcdoc="{{}}"></iframe>'
    text = (out_dir / "compare_loaders.html").read_text().replace("</body>", f"<script>{_MEASURE}</script></body>")
    page.write_text("<body>" + frame.format(text.replace("&", "&amp;").replace('"', "&quot;")) + "<p id=r></p>")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom", str(page)]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    report = json.loads(re.search(r'<p id="r">(\{.*?\})</p>', dom).group(1))
    assert report["width"] == width and report["page"] <= width, report
    assert report["sticking_out"] == [] and report["broken"] == 0 and report["plots"] >= 6, report


_MEASURE = """
addEventListener("load", () => {
  const inside = (node) => node.closest(".scroll") || node.closest("svg");
  const nodes = [...document.querySelectorAll("main *")].filter((node) => !inside(node));
  const out = nodes.filter((node) => node.getBoundingClientRect().right > innerWidth + 1
    || (node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== "inline"));
  const report = {
    width: innerWidth, page: document.documentElement.scrollWidth,
    sticking_out: out.map((node) => node.tagName + ": " + node.textContent.slice(0, 40)),
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    plots: [...document.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().height > 100).length,
  };
  parent.document.getElementById("r").textContent = JSON.stringify(report);
});
"""


def test_every_folder_is_a_section(photos, tmp_path, monkeypatch):
    epoch = {"images": 8, "marks": [1.0], "cpu_sec": 1.0, "other_cores": 0.0}
    answer = {"first_batch_sec": 1.0, "epochs": [epoch], "peak_mb": 1.0, "memory_kind": "PSS"}
    monkeypatch.setattr(comparison, "run_task", lambda task: answer)
    monkeypatch.setattr(comparison, "probe_backends", lambda *_: {"torch": (100.0, 1.0)})
    other = shutil.copytree(photos, tmp_path / "other" / "val")
    cfg = load_cfg(None, [*WORDS, "OUT_DIR", str(tmp_path)])
    options = Options(["torch"], [1], [8], caches=("warm",), model="none")
    compare_loaders(cfg, [str(photos), str(other.parent)], options)
    sources = json.loads((tmp_path / "compare_loaders.json").read_text())["sources"]
    assert [source["title"] for source in sources] == [str(photos), str(other.parent)]
    assert (tmp_path / "compare_loaders.html").read_text().count("<h3>All cells</h3>") == 2
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        compare_loaders(cfg, [str(photos), "nowhere"], options)


def test_ctrl_c_keeps_what_was_measured(photos, tmp_path, monkeypatch):
    epoch = {"images": 8, "marks": [1.0], "cpu_sec": 1.0, "other_cores": 0.0}
    answer = {"first_batch_sec": 1.0, "epochs": [epoch], "peak_mb": 1.0, "memory_kind": "PSS"}
    calls = []

    def run_task(task):
        calls.append(task)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(comparison, "run_task", run_task)
    monkeypatch.setattr(comparison, "probe_backends", lambda *_: {"torch": (100.0, 1.0)})
    cfg = load_cfg(None, [*WORDS, "OUT_DIR", str(tmp_path)])
    result = compare_loaders(cfg, [str(photos)], Options(["torch"], [1, 2], [8], images=8, caches=("warm",)))
    saved = json.loads((tmp_path / "compare_loaders.json").read_text())
    speeds = [cell["images_per_sec"] for cell in saved["sources"][0]["cells"]]
    assert result.interrupted and speeds.count(8.0) == 1 and speeds.count(None) == 3
    assert "not run" in (tmp_path / "compare_loaders.html").read_text()


def test_a_bad_image_is_named(tmp_path):
    (tmp_path / "data" / "class").mkdir(parents=True)
    (tmp_path / "data" / "class" / "broken.JPEG").write_bytes(b"no image")
    cfg = load_cfg(None, [*WORDS, "OUT_DIR", str(tmp_path / "out")])
    with pytest.raises(ValueError, match=r"no backend could be measured; custom: .*broken\.JPEG"):
        compare_loaders(cfg, [str(tmp_path / "data")], quick_options(backends=["custom"], workers=[1], batch_sizes=[8]))
    assert "broken.JPEG" in (tmp_path / "out" / "compare_loaders.html").read_text()


def test_pytorch_cls_table(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(pytorch_cls_table, "_RAM", tmp_path / "no memory file system")
    monkeypatch.setattr(pytorch_cls_table, "variants", lambda names: [Variant("custom", "threads")])
    cfg = load_cfg(None, [*WORDS, "OUT_DIR", str(tmp_path)])
    loader_table(cfg, [str(photos)], TableOptions([1], [1], batch_size=8, epochs=2))
    with (tmp_path / "loader_table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["epoch"], row["batches"]) for row in rows] == [
        ("1_1_custom-threads_0", "1", "3"),
        ("1_1_custom-threads_0", "2", "3"),
    ]
    raw = json.loads((tmp_path / "loader_table.json").read_text())["batch_times_sec"][str(photos)][
        "1_1_custom-threads_0"
    ]
    first = raw["epochs"][0]
    assert len(first) == 3 and min(first) > 0
    assert float(rows[0]["mean_sec"]) == pytest.approx(sum(first) / 3)


# ---- the command line


@pytest.fixture
def here(monkeypatch):
    """The measurements, which run in this process."""
    return _run_here(monkeypatch)


def _flat(photos, folder):
    return shutil.copytree(photos, folder)


def _splits(photos, folder):
    for split in ("train", "val"):
        shutil.copytree(photos, folder / split)
    return folder


def _packed(photos, folder):
    done = run_tool_here("pack_data.py", str(_splits(photos, folder.parent / "source")), str(folder))
    assert done.returncode == 0, done.stderr
    return folder


ONE_CELL = ["--quick", "--backends", "custom", "--workers", "0", "--views", "train", "--rounds", "1", "--model", "none"]


@pytest.mark.parametrize("layout", [_flat, _splits, _packed, None])
def test_images_limits_the_files_of_every_layout(photos, tmp_path, here, monkeypatch, layout):
    """24 photographs (16 generated ones where no folder is given), of which 5 may be read."""
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))
    folder = [str(layout(photos, tmp_path / "data"))] if layout else []
    words = overrides(TINY | SMALL | {"TRAIN.DATASET": "imagenet", "TEST.DATASET": "imagenet"})
    count = "5" if layout else "16"
    done = run_tool_here(
        "compare_loaders.py", *folder, *ONE_CELL, "--images", count, *words, "OUT_DIR", str(tmp_path / "out")
    )
    assert done.returncode == 0, done.stderr
    (source,) = json.loads((tmp_path / "out" / "compare_loaders.json").read_text())["sources"]
    assert (source["images"], source["files_drawn"]) == (24 if layout else 16, int(count))
    for task in here:
        job = Job(task)
        assert len({job.samples.name(index) for index in range(len(job.samples))}) == int(count)
    assert source["cells"][0]["images_per_sec"] > 0


def test_other_work_on_the_cores_is_told_everywhere(photos, tmp_path, here, monkeypatch):
    monkeypatch.setattr(epochs, "busy_seconds", iter(range(0, 10_000, 10)).__next__)
    words = overrides(TINY | SMALL | {"TRAIN.DATASET": "imagenet", "TEST.DATASET": "imagenet"})
    done = run_tool_here("compare_loaders.py", str(photos), *ONE_CELL, *words, "OUT_DIR", str(tmp_path / "out"))
    assert done.returncode == 0 and "cores of this machine busy meanwhile" in done.stdout
    with (tmp_path / "out" / "compare_loaders.csv").open() as file:
        assert [row["warning"] for row in csv.DictReader(file)] == 2 * ["other work kept cores busy"]
    assert "cores of this machine busy meanwhile" in (tmp_path / "out" / "compare_loaders.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--quick", "no/such/folder"], "no/such/folder is not a folder"),
        (["--images", "200000"], "--images 200,000: at most 100,000 are generated"),
        (["--cpus", "1"], "--cpus has a meaning only with --pytorch-cls-table"),
        (["--pytorch-cls-table", "--quick"], "--quick has a meaning only without --pytorch-cls-table"),
        (["--pytorch-cls-table", "--rounds", "2"], "--rounds has a meaning only without"),
        (["--pytorch-cls-table", "--images", "9", "DATA"], "--images: the table times whole epochs of DATA_DIR"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, words, message):
    (tmp_path / "data").mkdir()
    words = [str(tmp_path / "data") if word == "DATA" else word for word in words]
    done = run_tool_here("compare_loaders.py", *words, "OUT_DIR", str(tmp_path / "out"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
    assert not (tmp_path / "out").exists()
