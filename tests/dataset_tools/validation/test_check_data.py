"""The data checker: what it finds in images of every kind, and the tool on trees with every trouble."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pycls.core.config import load_cfg
from pycls.dataset_tools import validation
from pycls.dataset_tools.validation import splits_of_cfg, splits_of_folder
from pycls.dataset_tools.validation.duplicates import check_classes, find_duplicates
from pycls.dataset_tools.validation.findings import UNREADABLE
from pycls.dataset_tools.validation.inspect import build_decoders, inspect_bytes
from pycls.datasets import build_samples
from pycls.datasets.readers.samples import FileSamples, pack_names
from tests.helpers.odd_images import damaged, readable, unreadable
from tests.helpers.photographs import encode, kinds, load, write_files
from tests.helpers.runs import run_tool, run_tool_here
from tests.helpers.threads import ThreadWorkers

# Kind of finding -> files that must have it, by beginning of their name; all others must not.
EXPECTED = {
    "wrong_type": ("png_named", "gif_named", "animated"),
    "tiny": ("jpeg_tiny", "jpeg_line", "png_one", "one_pixel", "wide_", "tall_"),
    "cmyk": ("jpeg_cmyk", "cmyk", "ycck"),
    "16_bit": ("png_gray16", "rgb_16"),
    "float": ("float.tif",),
    "alpha": ("png_alpha", "alpha_gray"),
    "exif_rotated": ("jpeg_exif",),
    "animated": ("animated",),
    "damaged": tuple(damaged()),
    "disagree": (),
    "unreadable": tuple(unreadable()),
}


def test_every_odd_image_is_found_and_nothing_else():
    decoders = build_decoders(("custom", "torch"))
    files = {**kinds(), **readable(), **damaged(), **unreadable()}
    found = {name: {kind for kind, _ in inspect_bytes(data, name, decoders, 32)} for name, data in files.items()}
    for kind, beginnings in EXPECTED.items():
        wanted = {name for name in files if name.startswith(beginnings)} if beginnings else set()
        assert {name for name, kinds_ in found.items() if kind in kinds_} == wanted, kind


@pytest.mark.dali
def test_dali_is_asked_when_wanted():
    pytest.importorskip("nvidia.dali")
    decoders = build_decoders(("dali_cpu",))
    for data in (kinds()["jpeg_420.JPEG"], kinds()["jpeg_cmyk.JPEG"], kinds()["png_gray.png"]):
        assert not {kind for kind, _ in inspect_bytes(data, "a", decoders, 1)} & {UNREADABLE, "disagree"}
    ((kind, detail),) = inspect_bytes(unreadable()["no_tables.JPEG"], "a.JPEG", decoders, 1)
    assert kind == UNREADABLE and "dali" not in detail


def test_a_decoder_that_disagrees_is_reported():
    def refuses(data, header):
        raise ValueError("no")

    photo = load("coffee.png", (120, 90))
    decoders = {"mirror": lambda data, header: np.asarray(photo)[:, ::-1], "refuses": refuses}
    details = [detail for kind, detail in inspect_bytes(encode(photo), "a.jpg", decoders, 1) if kind == "disagree"]
    assert "mirror differs from Pillow by" in details[0] and "refuses does not: no" in details[1]


@pytest.mark.parametrize("pixels", [np.full((40, 40), 200, np.uint16), np.full((40, 40), 0.001, np.float32)])
def test_what_is_shown_black_and_is_not_is_reported(pixels):
    kinds_ = {kind for kind, _ in inspect_bytes(encode(Image.fromarray(pixels), "TIFF"), "a.tif", {}, 1)}
    assert "black" in kinds_
    assert "black" not in {kind for kind, _ in inspect_bytes(encode(Image.new("L", (40, 40))), "a.jpg", {}, 1)}


def test_what_opencv_reads_in_the_place_of_pillow_is_no_bad_file():
    tifffile = pytest.importorskip("tifffile")
    light = np.linspace(0, 1, 40 * 50 * 3).reshape(40, 50, 3)
    for pixels, photometric in ((light.astype(np.float32), "rgb"), (light[..., 0], "minisblack")):
        for scale, wanted in ((1, {"float"}), (0.001, {"float", "black"})):
            tifffile.imwrite(buffer := io.BytesIO(), scale * pixels, photometric=photometric)
            assert {kind for kind, _ in inspect_bytes(buffer.getvalue(), "a.tif", {}, 1)} == wanted


def test_duplicates_and_class_names():
    names = ["a/1", "a/2", "b/3", "b/4"]
    train = FileSamples("/d/train", pack_names(names), np.array([0, 0, 1, 1]), ("a", "b"))
    val = FileSamples("/d/val", pack_names(["b/9"]), np.array([1]), ("a", "b"))
    found = find_duplicates([train, val], [np.array([7, 7, 0, 7], np.uint64), np.array([0], np.uint64)])
    assert [(f.kind, f.name, f.detail) for f in found] == [
        ("twice", "train/a/2", "as train/a/1"),
        ("in_two_classes", "train/b/4", "as train/a/1"),
    ]
    found = find_duplicates([train, val], [np.array([1, 2, 3, 4], np.uint64), np.array([4], np.uint64)])
    assert [(f.kind, f.name, f.detail) for f in found] == [("in_two_splits", "val/b/9", "as train/b/4")]
    odd = FileSamples("/d/train", pack_names(["Sea lion/1"]), np.array([0]), ("Sea lion", "sea_lion", "tern"))
    kinds_ = [(f.kind, f.name) for f in check_classes(odd)]
    assert kinds_[-1] == ("class_names", "train/sea_lion") and ("empty_class", "train/tern") in kinds_


@pytest.fixture
def tree(tmp_path):
    """Two splits of two classes."""
    for number, split in enumerate(("train", "val")):
        for label in ("cat", "dog"):
            photos = {f"{i}.JPEG": encode(Image.effect_noise((60, 50 + i + 9 * number), 50)) for i in range(3)}
            write_files(tmp_path / "data" / split / label, photos)
    return tmp_path / "data"


def test_the_tool_finds_reports_and_its_list_is_left_out(tree, tmp_path):
    write_files(tree / "train" / "cat", {"cut.JPEG": unreadable()["cut.JPEG"], "half.JPEG": damaged()["half.JPEG"]})
    write_files(tree / "val" / "dog", {"empty.png": b"", "twice.JPEG": (tree / "train/dog/0.JPEG").read_bytes()})
    os.mkfifo(tree / "val" / "dog" / "pipe.JPEG")
    done = run_tool("check_data.py", tree, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert "Images: 8 in train, 8 in val" in done.stdout and "\r" not in done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["counts"] == {"unreadable": 2, "no_file": 1, "damaged": 1, "in_two_splits": 1}
    assert [f["name"] for f in report["findings"] if f["kind"] == "unreadable"] == [
        "train/cat/cut.JPEG", "val/dog/empty.png"
    ]  # fmt: skip
    keys = ["TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "MODEL.NUM_CLASSES", "2", "DATA_DIR", str(tree)]
    skip = ["DATA_LOADER.SKIP_LIST", str(tmp_path / "out/skip_list.txt")]
    train, test = (build_samples(load_cfg(None, keys + skip), phase) for phase in ("train", "test"))
    assert (len(train), len(test)) == (7, 7)
    assert not any("cut" in train.name(i) for i in range(7)) and any("half" in train.name(i) for i in range(7))
    kept = [Path(test.name(i)).stem for i in range(7)]
    assert kept == ["0", "1", "2", "0", "1", "2", "twice"]


def test_a_clean_tree(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "ProcessWorkers", ThreadWorkers)
    done = run_tool_here("check_data.py", tree / "val", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Images: 6 in val" in done.stdout and "Nothing found" in done.stdout


def _splits(folder):
    return splits_of_folder(load_cfg(None), str(folder), False)


def test_a_config_and_a_folder_name_the_same_images(tree):
    keys = ["TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "DATA_DIR", str(tree)]
    (by_cfg, _), (by_folder, _) = splits_of_cfg(load_cfg(None, keys), False), _splits(tree)
    names = [[samples.key(i) for samples in splits for i in range(len(samples))] for splits in (by_cfg, by_folder)]
    assert names[0] == names[1] and len(names[0]) == 12


def test_packed_splits_are_checked_as_the_folders_are(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "ProcessWorkers", ThreadWorkers)
    assert run_tool_here("pack_data.py", tree, tmp_path / "packed").returncode == 0
    folders, packed = _splits(tree)[0], _splits(tmp_path / "packed")[0]
    names = [[samples.key(i) for samples in splits for i in range(len(samples))] for splits in (folders, packed)]
    assert names[0] == names[1]
    counts = []
    for place in (tree / "val", tmp_path / "packed"):
        done = run_tool_here("check_data.py", place, "--out", tmp_path / "out")
        assert done.returncode in (0, 1), done.stderr
        counts.append(next(line for line in done.stdout.splitlines() if line.startswith("Images: ")))
    assert counts == ["Images: 6 in val", "Images: 6 in train, 6 in val"]


def test_bad_input_is_one_line():
    done = run_tool_here("check_data.py", "--dir", "/nowhere")
    assert done.returncode == 2 and done.stderr == "tools/check_data.py: error: /nowhere is not a folder\n"
    done = run_tool_here("check_data.py", "TRAIN.DATASET", "cifar10", "TEST.DATASET", "cifar10")
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_files_of_a_list_that_are_not_there_are_found_with_the_rest(tmp_path):
    rows = ["path,label,split"]
    for number, (label, split) in enumerate((label, split) for label in "ab" for split in ("train", "train", "val")):
        (tmp_path / f"{number}.png").write_bytes(encode(Image.new("RGB", (40, 40), (number * 40, 0, 0)), "PNG"))
        rows.append(f"{number}.png,{label},{split}")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    (tmp_path / "0.png").unlink()
    (tmp_path / "5.png").write_bytes(b"")
    done = run_tool_here("check_data.py", tmp_path / "photos.csv", "--out", tmp_path / "checked")
    assert done.returncode == 1 and "Images: 4 in train, 2 in val" in done.stdout, done.stderr
    findings = json.loads((tmp_path / "checked" / "report.json").read_text())["findings"]
    assert [(one["kind"], one["name"]) for one in findings] == [
        ("unreadable", "train/0.png"),
        ("unreadable", "val/5.png"),
    ]
