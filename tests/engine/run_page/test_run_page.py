"""report.html of a training, read back: figures against metrics.jsonl and numpy, thumbnails against the files."""

import json
import logging
from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from pycls.core.checkpoint import best_path
from pycls.core.config import load_cfg
from pycls.datasets import build_samples
from pycls.datasets.readers.samples import ArraySamples
from pycls.engine import test as evaluate_weights
from pycls.engine import train
from pycls.engine.evaluate import Counter
from pycls.engine.reporting.image_predictions import Collector
from pycls.engine.reporting.meters import topk_hits
from pycls.engine.run_page import page as run_page
from pycls.engine.run_page.page import PageSource, save_run_page
from tests.engine.test_prediction_files import read_table
from tests.helpers.html_page import HtmlPage
from tests.helpers.runs import overrides, run_tool_here, tiny_cfg

MISTAKES = "Surest mistakes"


def load(out_dir):
    page = HtmlPage((out_dir / "report.html").read_text(encoding="utf-8"))
    page.check_alone()
    return page


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("run")
    result = train(tiny_cfg(out_dir, OPTIM__MAX_EPOCH=3))
    return out_dir, result, load(out_dir)


def records(out_dir, kind):
    lines = map(json.loads, (out_dir / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["_type"] == kind]


def test_figures_are_those_of_the_records(trained):
    out_dir, result, page = trained
    assert out_dir / "report.html" in result.files
    model, ema = (records(out_dir, kind) for kind in ("test_epoch", "test_ema_epoch"))
    best = min(record["top1_err"] for record in model + ema)
    for words in (
        f"Accuracy {100 - result.top1_err:.2f} % top-1, 355 images",
        f"Top-1 error {result.top1_err:.2f} %",
        f"Top-5 error {result.top5_err:.2f} %",
        f"Loss {result.loss:.4f}",
        f"Lowest error {best:.2f} %",
        f"Last error, model {model[-1]['top1_err']:.2f} % epoch 3",
        f"Last error, EMA {ema[-1]['top1_err']:.2f} % epoch 3",
        f"Training loss {records(out_dir, 'train_epoch')[-1]['loss']:.4f} epoch 3",
        f"{np.median([r['images_per_sec'] for r in records(out_dir, 'train_epoch')]):,.0f} images/s",
        "training, 3 epochs of 1,442 images",
        f"torch {torch.__version__}",
    ):
        assert words in page.words, words
    ends = [attrs["aria-label"] for tag, attrs in page.tags if "aria-label" in attrs]
    assert [end.split(" over")[0] for end in ends] == [
        "Top-1 error (%)",
        "Loss",
        "Learning rate",
        "Training speed (images/s)",
    ]
    assert f"train ends at {records(out_dir, 'train_epoch')[-1]['loss']:.4g}; test ends" in ends[1]


def test_a_line_lies_where_its_values_are(trained):
    """Losses of three epochs are on one scale: as far apart on the page as they are from each other."""
    out_dir, _, page = trained
    lines = [attrs["points"] for tag, attrs in page.tags if tag == "polyline"]
    assert len(lines) == 8, "train, test, EMA of errors and of losses; rate; speed"
    drawn = [[float(point.split(",")[1]) for point in line.split()] for line in lines[3:6]]
    kinds = ("train_epoch", "test_epoch", "test_ema_epoch")
    losses = np.concatenate([[r["loss"] for r in records(out_dir, kind)] for kind in kinds])
    slope, _ = np.polyfit(losses, np.concatenate(drawn), 1)
    assert slope < 0 and abs(np.corrcoef(losses, np.concatenate(drawn))[0, 1]) > 0.9999
    across = [[float(point.split(",")[0]) for point in line.split()] for line in lines]
    assert all(np.ptp(np.diff(xs)) < 0.2 for xs in across)


def test_classes_and_confusion_against_scikit_learn(trained):
    out_dir, _, page = trained
    rows = read_table(out_dir)
    true, predicted = ([int(row[name]) for row in rows] for name in ("label", "predicted"))
    matrix = confusion_matrix(true, predicted)
    shown = [[int(cell or 0) for cell in row[1:]] for row in page.table("", *"0123456789")]
    assert shown == matrix.tolist()
    classes = page.table("class", "images", "right", "accuracy (%)", "mostly taken for")
    accuracy = 100 * matrix.diagonal() / matrix.sum(1)
    assert [float(row[3]) for row in classes] == pytest.approx(sorted(accuracy), abs=0.006)
    for name, images, right, _, taken_for in classes:
        others = matrix[int(name)] * (np.arange(10) != int(name))
        assert (int(images), int(right)) == (matrix[int(name)].sum(), matrix[int(name), int(name)])
        assert taken_for == (f"{others.argmax()} ({others.max()})" if others.any() else "")
    pairs = page.table("true", "predicted", "images", "of the class (%)")
    assert len(pairs) == min(30, np.count_nonzero(matrix) - np.count_nonzero(matrix.diagonal()))
    counts = [int(row[2]) for row in pairs]
    assert counts == sorted(counts, reverse=True)
    assert all(matrix[int(row[0]), int(row[1])] == int(row[2]) for row in pairs)


def test_images_are_the_surest_mistakes_and_the_least_certain(trained):
    out_dir, _, page = trained
    rows = read_table(out_dir)
    wrong = sorted((row for row in rows if row["right"] == "0"), key=lambda row: -float(row["prob1"]))[:24]
    doubtful = sorted(rows, key=lambda row: float(row["prob1"]))[:24]
    pictures = page.pictures()
    assert [alt for alt, _ in pictures] == [row["path"] for row in wrong + doubtful]
    for path, (image, size) in pictures:
        assert size < 10_000
        assert np.array_equal(np.asarray(image), np.asarray(Image.open(path).convert("RGB"))), "the right image"
    first = f"{wrong[0]['predicted']} {100 * float(wrong[0]['prob1']):.1f} % is {wrong[0]['label']}"
    assert first in page.words and page.words.index(MISTAKES) < page.words.index(first)


def test_what_the_config_changes(trained):
    _, _, page = trained
    changes = {row[0]: row[1:] for row in page.table("key", "this run", "default")}
    assert changes["OPTIM.MAX_EPOCH"] == ["3", "200"] and changes["ANYNET.WIDTHS"] == ["[8, 16]", "[]"]
    assert "OPTIM.MOMENTUM" not in changes


def test_an_evaluation_has_a_page_without_curves(trained, tmp_path):
    evaluate_weights(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(trained[0])))
    page = load(tmp_path)
    assert "Curves" not in page.words and f"evaluation of {best_path(trained[0])}" in page.words
    assert MISTAKES in page.words and "Training loss" not in page.words
    (tmp_path / "metrics.jsonl").write_bytes((trained[0] / "metrics.jsonl").read_bytes())
    evaluate_weights(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(trained[0])))
    page = load(tmp_path)
    assert "The training in this folder" in page.words and page.count("polyline") == 8
    (tmp_path / "report.html").unlink()
    (tmp_path / "report.html").mkdir()
    result = evaluate_weights(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(trained[0])))
    assert result.count == 355 and tmp_path / "report.html" not in result.files, "a page is never worth an evaluation"


def test_what_cannot_be_drawn_is_a_warning_and_no_end(tmp_path, monkeypatch, caplog):
    def broken(source):
        raise ZeroDivisionError("no page")

    monkeypatch.setattr(run_page, "page_values", broken)
    monkeypatch.setattr(logging.getLogger("pycls"), "propagate", True)
    with caplog.at_level("WARNING"):
        assert save_run_page(PageSource(tiny_cfg(tmp_path), torch.device("cpu"), [])) == []
    assert "report.html could not be written" in caplog.text and "ZeroDivisionError: no page" in caplog.text
    assert not list(tmp_path.iterdir())


HOSTILE = '<b>"ö" & \'' + "x" * 60


def made_up(classes, count):
    """Return an evaluation whose second class is taken for the third now and then, with its predictions."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    logits = 4 * torch.eye(classes)[labels] + torch.randn(count, classes, generator=generator)
    counter, collector = Counter(classes, torch.device("cpu")), Collector()
    counter.add(logits, labels, torch.tensor(1.0))
    (right,) = topk_hits(logits, labels, (1,))
    collector.add(torch.arange(count), labels, right, logits, None)
    evaluation = counter.total(count)
    return replace(evaluation, predictions=collector.gather())


def folder_samples(tmp_path, names):
    for number, name in enumerate(names):
        folder = tmp_path / "data/val" / name
        folder.mkdir(parents=True)
        pixels = np.full((90, 200, 3), (number * 40 % 256, 100, 200), np.uint8)
        Image.fromarray(pixels).save(folder / "a.png")
    return load_cfg(
        None,
        overrides(
            {
                "TEST.DATASET": "imagenet",
                "DATA_DIR": tmp_path / "data",
                "MODEL.NUM_CLASSES": len(names),
                "OUT_DIR": tmp_path,
            }
        ),
    )


def test_names_that_are_no_html_and_no_unicode(tmp_path):
    names = sorted(
        [HOSTILE, "not\udcffunicode", "\x1b[2Jesc\u202e\n\x9b", "</script><script>alert(1)".replace("/", "-")]
    )
    cfg = folder_samples(tmp_path, names)
    samples = build_samples(cfg, "test")
    assert save_run_page(PageSource(cfg, torch.device("cpu"), [], made_up(4, 4), samples))
    page = load(tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert all(letter.isprintable() or letter in "\n\t" for letter in text) and r"\x1b[2Jesc\u202e" in page.words
    assert page.count("script") == 1 and HOSTILE in page.words and r"not\udcffunicode" in page.words
    harmless = HtmlPage((tmp_path / "report.html").read_text().replace(escape(HOSTILE), "x"))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in harmless.tags], "names make no tags"
    for path, (image, size) in page.pictures():
        assert image.size == (144, 65) and size < 10_000
        color = np.asarray(image).reshape(-1, 3).mean(0)
        number = next(i for i, name in enumerate(names) if repr(name)[1:12] in path or name[:9] in path)
        assert np.abs(color - (number * 40 % 256, 100, 200)).max() < 4, "the right image"


@pytest.mark.parametrize(
    ("classes", "table", "picture"), [(2, True, 0), (20, True, 0), (60, False, 1), (300, False, 0)]
)
def test_any_number_of_classes(tmp_path, classes, table, picture):
    evaluation = made_up(classes, 4 * classes)
    images = np.zeros((4 * classes, 32, 32, 1), np.uint8)
    names = tuple(f"class {number}" for number in range(classes))
    samples = ArraySamples(images, evaluation.predictions.labels, names, "made up")
    cfg = load_cfg(None, ["OUT_DIR", str(tmp_path), "MODEL.NUM_CLASSES", str(classes)])
    assert save_run_page(PageSource(cfg, torch.device("cpu"), [], evaluation, samples))
    page = load(tmp_path)
    assert (page.count("table", **{"class": "matrix"}) == 1) == table
    matrices = [image for alt, (image, _) in page.pictures() if alt.startswith("confusion matrix")]
    assert len(matrices) == picture
    for image in matrices:
        side = image.size[0] // classes
        colored = (np.asarray(image)[side // 2 :: side, side // 2 :: side] != 255).any(-1)
        assert np.array_equal(colored, evaluation.confusion.numpy() > 0)
    assert len(page.table("class", "images", "right", "accuracy (%)", "mostly taken for")) == classes
    assert "made up #" in page.words


def test_without_images_to_evaluate_the_page_says_so(tmp_path):
    assert save_run_page(PageSource(tiny_cfg(tmp_path), torch.device("cpu"), []))
    page = load(tmp_path)
    assert "No images were held back for evaluation (TEST.SPLIT none)" in page.words
    assert "Accuracy" not in page.words and page.count("img") == 0


def test_a_training_without_them_has_its_page(tmp_path):
    result = train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=1, TEST__SPLIT="none", OPTIM__EMA_UPDATE_PERIOD=0))
    assert tmp_path / "report.html" in result.files
    page = load(tmp_path)
    assert "No images were held back" in page.words and "Training loss" in page.words and page.count("polyline") == 4


def test_compare_runs_reads_what_training_leaves(trained):
    out_dir, result, _ = trained
    done = run_tool_here("compare_runs.py", out_dir)
    assert done.returncode == 0, done.stderr
    row = next(line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["1"])
    last, ema = (records(out_dir, kind)[-1]["top1_err"] for kind in ("test_epoch", "test_ema_epoch"))
    assert row[2:5] == ["3", f"{last:.2f}", f"{ema:.2f}"] and result.top1_err == min(last, ema)
