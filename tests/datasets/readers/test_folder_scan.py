"""What a scan makes of everything that may lie in a folder: files count, whatever folders are called."""

import os
import socket

import pytest
from torchvision.datasets import ImageFolder

from pycls.datasets.readers.folder_scan import scan_folder, scan_tree
from tests.helpers.arrays import write_tree


def _paths(tree):
    return [tree.paths[index] for index in range(len(tree.paths))]


def _as_image_folder(top):
    """Return what torchvision finds, relative to the folder."""
    return [os.path.relpath(path, top) for path, _ in ImageFolder(str(top)).samples]


@pytest.fixture
def top(tmp_path):
    return write_tree(
        tmp_path / "train", {"cat": ["1.jpg", "IMG_1.jpg/a.png", "IMG_1.jpg/b.PNG/c.bmp"], "d.tif": ["2.jpg"]}
    )


def test_folders_called_like_images_are_looked_into(top):
    assert _paths(scan_tree(top)) == _as_image_folder(top) == [
        "cat/1.jpg", "cat/IMG_1.jpg/a.png", "cat/IMG_1.jpg/b.PNG/c.bmp", "d.tif/2.jpg"
    ]  # fmt: skip


def test_links_are_followed_as_image_folder_does(top, tmp_path):
    write_tree(tmp_path / "elsewhere", {"x": ["3.jpg"], "y.jpg": ["4.jpg"]})
    (top / "dog").symlink_to(tmp_path / "elsewhere" / "x")
    (top / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "x")
    (top / "cat" / "y.jpg").symlink_to(tmp_path / "elsewhere" / "y.jpg")
    (top / "cat" / "5.jpg").symlink_to(top / "cat" / "1.jpg")
    tree = scan_tree(top)
    assert _paths(tree) == _as_image_folder(top) and len(tree.paths) == 8 and len(tree.left_out) == 0


def test_a_link_to_a_folder_around_it_ends_there(top):
    (top / "cat" / "again").symlink_to("..")
    (top / "cat" / "all").symlink_to("../..")
    (top / "self").symlink_to("self")
    (top / "d.tif" / "up.jpg").symlink_to(".")
    (top / "d.tif" / "cats").symlink_to("../cat")  # no circle, but with the two of cat in it
    tree = scan_tree(top)
    assert tree.left_out.counts == {"link to a folder above": 5, "broken link": 1}
    assert len(tree.paths) == 4 + 3 and tree.classes == ("cat", "d.tif")
    images, left_out = scan_folder(top.parent)  # as predict does
    assert len(images) == 7 and left_out.counts == tree.left_out.counts


def test_what_is_no_file_does_not_count_and_is_told(top, monkeypatch):
    (top / "cat" / "gone.jpg").symlink_to("nowhere.jpg")
    (top / "dog").symlink_to("nowhere")
    os.mkfifo(top / "cat" / "pipe.jpg")
    monkeypatch.chdir(top / "cat")  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    tree = scan_tree(top)
    assert len(tree.paths) == 4
    assert list(tree.left_out) == [
        ("cat/gone.jpg", "broken link"),
        ("cat/pipe.jpg", "pipe, socket or device"),
        ("cat/socket.jpg", "pipe, socket or device"),
        ("dog", "broken link"),
    ]


def test_files_that_are_no_images_are_told_but_for_those_of_the_system(top):
    names = ["a.txt", "b.HEIC", "README", ".DS_Store", "Thumbs.db", "desktop.ini", "._1.jpg", ".kept.jpg", ".x/in.jpg"]
    write_tree(top, {"cat": names, ".hidden": ["1.jpg"]})
    (top / "labels.csv").write_text("")
    (top / "beside.jpg").write_text("")
    tree = scan_tree(top)
    assert len(tree.paths) == 4
    assert dict(tree.left_out) == {
        "beside.jpg": "beside the class folders",
        "cat/.kept.jpg": "hidden",
        "cat/README": "without an ending",
        "cat/a.txt": ".txt",
        "cat/b.HEIC": ".heic",
        "labels.csv": ".csv",
    }
