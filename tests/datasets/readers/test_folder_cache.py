"""A cached list is used while the tree stays the same, and never after it has changed."""

import os
import pickle
import shutil

import numpy as np
import pytest

from pycls.datasets.readers import folder_cache, folder_scan
from pycls.datasets.readers.folder_cache import cache_folders, load_tree
from pycls.datasets.readers.image_folder import load_folder
from tests.helpers.arrays import set_age, write_tree

CLASSES = {"a": ["1.jpg", "sub/2.jpg"], "b": ["3.jpg"]}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def top(tmp_path):
    return write_tree(tmp_path / "data" / "train", CLASSES)


def _paths(tree):
    return [tree.paths[i] for i in range(len(tree.paths))]


def _forbid_scanning(monkeypatch):
    def refuse(top):
        raise AssertionError(f"{top} was scanned")

    monkeypatch.setattr(folder_cache, "scan_tree", refuse)


def test_the_second_load_does_not_scan(top, monkeypatch):
    first = load_tree(top)
    _forbid_scanning(monkeypatch)
    second = load_tree(top)
    assert _paths(second) == _paths(first) == ["a/1.jpg", "a/sub/2.jpg", "b/3.jpg"]
    assert second.classes == ("a", "b") and second.labels.tolist() == [0, 0, 1]


def test_a_kept_list_knows_what_is_left_out_and_says_it_again(top, monkeypatch, caplog):
    write_tree(top, {"a": ["x.txt", "y.heic"]})
    first = load_tree(top)
    _forbid_scanning(monkeypatch)
    second = load_tree(top)
    assert list(second.left_out) == list(first.left_out) == [("a/x.txt", ".txt"), ("a/y.heic", ".heic")]
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 2 and said[0] == said[1]
    assert "train: left out 2 files that are no images: 1 .heic, 1 .txt (convert" in said[0]


def test_a_list_of_a_program_with_other_endings_is_no_list(top, monkeypatch):
    write_tree(top, {"a": ["5.avif"]})
    with monkeypatch.context() as before:
        before.setattr(folder_cache, "FORMATS", {".jpg": "JPEG"})
        before.setattr(folder_scan, "is_image", lambda name: name.endswith(".jpg"))
        assert len(load_tree(top).paths) == 3 and cache_folders(top)[0].exists()
    assert len(load_tree(top).paths) == 4


def test_a_tree_with_a_broken_link_is_not_kept(top):
    """Once there is a file where it leads, no time stamp here tells of it."""
    (top / "a" / "4.jpg").symlink_to(top.parent / "4.jpg")
    set_age(top, 60)
    assert len(load_tree(top).paths) == 3
    (top.parent / "4.jpg").write_bytes(b"")
    assert len(load_tree(top).paths) == 4


CHANGES = {
    "new image": lambda top: (top / "b" / "4.jpg").write_bytes(b""),
    "new image in a sub-folder": lambda top: (top / "a" / "sub" / "4.jpg").write_bytes(b""),
    "removed image": lambda top: (top / "a" / "1.jpg").unlink(),
    "renamed image": lambda top: (top / "a" / "1.jpg").rename(top / "a" / "9.jpg"),
    "new class": lambda top: write_tree(top / "c", {".": ["5.jpg"]}, age_sec=0),
    "renamed class": lambda top: (top / "b").rename(top / "z"),
    "new sub-folder": lambda top: write_tree(top / "b" / "sub", {".": ["6.jpg"]}, age_sec=0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_tree_is_scanned_again(top, change):
    before = _paths(load_tree(top))
    CHANGES[change](top)
    assert _paths(load_tree(top)) != before


def test_the_cache_lies_beside_the_data(top):
    load_tree(top)
    assert sorted(path.name for path in top.parent.iterdir()) == [".pycls-index-train", "train"]
    labels = np.load(top.parent / ".pycls-index-train" / "labels.npy")  # any program can
    assert labels.tolist() == [0, 0, 1]


def test_an_unwritable_data_folder_uses_the_cache_folder(top, tmp_path, monkeypatch):
    # Permissions do not bind root, so the folder beside the data is made impossible by a file of its name.
    cache_folders(top)[0].write_bytes(b"")
    load_tree(top)
    assert len(list((tmp_path / "cache" / "index").glob("train-*/labels.npy"))) == 1
    _forbid_scanning(monkeypatch)
    assert _paths(load_tree(top)) == ["a/1.jpg", "a/sub/2.jpg", "b/3.jpg"]


def test_a_tree_that_was_changed_a_moment_ago_is_not_cached(top):
    set_age(top, -60)  # as new as its last change
    load_tree(top)
    assert not cache_folders(top)[0].exists()


@pytest.mark.parametrize("name, content", [("meta.json", b""), ("meta.json", b"[1]"), ("labels.npy", b"no array")])
def test_a_damaged_cache_is_ignored_and_replaced(top, name, content):
    load_tree(top)
    (cache_folders(top)[0] / name).write_bytes(content)
    assert len(load_tree(top).paths) == 3
    assert len(folder_cache._load_cache(cache_folders(top)[0]).labels) == 3


@pytest.mark.parametrize("name", [".pycls-index-train.map", ".pycls-index-train"])
def test_a_cache_of_an_older_version_is_rebuilt_silently(top, name, caplog, monkeypatch):
    """Version 2 was one file."""
    (top.parent / name).write_bytes(b"PYCLSMAP" + bytes(100))
    load_tree(top)
    assert all(record.levelname == "INFO" for record in caplog.records)
    _forbid_scanning(monkeypatch)
    assert _paths(load_tree(top)) == ["a/1.jpg", "a/sub/2.jpg", "b/3.jpg"]


def test_a_kept_list_travels_to_workers_as_a_name(tmp_path):
    write_tree(tmp_path / "train", {"a": [f"{number:05d}.jpg" for number in range(2000)]})
    for _ in range(2):  # scanned, then from the cache
        samples = load_folder(tmp_path, "train")
        assert len(pickle.dumps(samples)) < 1000
        again = pickle.loads(pickle.dumps(samples))
        assert again.name(1999) == str(tmp_path / "train" / "a" / "01999.jpg") and again.labels.tolist() == [0] * 2000


def test_another_tree_with_the_old_time_stamps_is_scanned(tmp_path):
    """As an archive brings them back: only the time of the last change of anything differs."""
    top = tmp_path / "data" / "train"
    for files in (["3.jpg"], ["3.jpg", "4.jpg"]):
        shutil.rmtree(top, ignore_errors=True)
        write_tree(top, CLASSES | {"b": files})
        for folder, _, _ in os.walk(top):
            os.utime(folder, (1e9, 1e9))
        assert len(load_tree(top).paths) == 2 + len(files)
