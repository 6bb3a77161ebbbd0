"""Class-folder trees: order of images and labels, and one clear error for each way a tree can be wrong."""

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.datasets.imagenet import build_imagenet
from pycls.datasets.readers.image_folder import load_folder
from tests.helpers.arrays import write_tree

GOOD = {"n02": ["b.JPEG", "a.jpeg"], "n01": ["z.png"]}


def _names(samples):
    return [samples.paths[i] for i in range(len(samples))]


def test_images_are_sorted_by_class_then_by_name(tmp_path):
    write_tree(tmp_path / "train", GOOD)
    samples = load_folder(tmp_path, "train")
    assert samples.classes == ("n01", "n02")
    assert _names(samples) == ["n01/z.png", "n02/a.jpeg", "n02/b.JPEG"]
    assert samples.labels.tolist() == [0, 1, 1] and samples.labels.dtype == np.int64
    assert samples.read(1) == b"n02/a.jpeg"


def test_sub_folders_count_and_other_files_do_not(tmp_path):
    files = [
        "a.PNG",
        "sub/deep/b.webp",
        "c.ppm",
        "d.pgm",
        "e.tif",
        "f.tiff",
        "g.bmp",
        "readme.txt",
        ".hidden.png",
        "._a.png",
    ]
    write_tree(tmp_path / "train", {"cat": files, ".git": ["x.png"]})
    (tmp_path / "train" / "list.csv").write_text("")
    samples = load_folder(tmp_path, "train")
    assert samples.classes == ("cat",)
    assert _names(samples) == [
        f"cat/{n}" for n in ("a.PNG", "c.ppm", "d.pgm", "e.tif", "f.tiff", "g.bmp", "sub/deep/b.webp")
    ]


def test_class_folders_may_be_links(tmp_path):
    write_tree(tmp_path / "elsewhere", {"x": ["a.jpg"]})
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "cat").symlink_to(tmp_path / "elsewhere" / "x")
    assert _names(load_folder(tmp_path, "train")) == ["cat/a.jpg"]


def _error(root, split="train"):
    with pytest.raises(ValueError) as caught:
        load_folder(root, split)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_split_names_the_nearest_folder(tmp_path):
    write_tree(tmp_path / "train", GOOD)
    write_tree(tmp_path / "valid", GOOD)
    message = _error(tmp_path, "val")
    assert f"{tmp_path / 'val'} does not exist" in message
    assert "did you mean 'valid'" in message and "train, valid" in message


def test_a_flat_folder_is_refused(tmp_path):
    (tmp_path / "val").mkdir()
    for number in range(3):
        (tmp_path / "val" / f"ILSVRC2012_val_{number}.JPEG").write_bytes(b"")
    message = _error(tmp_path, "val")
    assert str(tmp_path / "val") in message and "3 images but no class folders" in message


def test_images_beside_the_class_folders_are_refused(tmp_path):
    write_tree(tmp_path / "train", GOOD)
    (tmp_path / "train" / "b.jpg").write_bytes(b"")
    (tmp_path / "train" / "a.GIF").write_bytes(b"")
    assert "holds 2 images beside its class folders: a.GIF, b.jpg: move each" in _error(tmp_path)


def _disagreement(root):
    """Return what training says of two splits."""
    keys = ["DATA_DIR", str(root), "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet"]
    with pytest.raises(ValueError) as caught:
        build_imagenet(load_cfg(None, keys), "train")
    return str(caught.value)


CAFE = "Caf\u00e9", "Cafe\u0301"  # the same on every screen


@pytest.mark.parametrize("here, there", [CAFE, CAFE[::-1]])
def test_class_names_of_other_code_points_are_named_as_such(tmp_path, here, there):
    write_tree(tmp_path / "train", {here: ["a.jpg"], "tea": ["a.jpg"]})
    write_tree(tmp_path / "val", {there: ["a.jpg"], "tea": ["a.jpg"]})
    message = _disagreement(tmp_path)
    assert f"lacks 1 class that {tmp_path}/val has: {there}; the same there is spelled with other code" in message
    assert "Cafe U+0301" in message and "Caf U+00E9" in message and "rename" in message


def test_one_folder_with_both_spellings_is_refused(tmp_path):
    write_tree(tmp_path / "train", {name: ["a.jpg"] for name in (*CAFE, "tea")})
    message = _error(tmp_path)
    assert "classes of the same name, spelled with other code points" in message and "U+0301" in message


def test_a_class_that_is_written_a_little_differently_is_pointed_to(tmp_path):
    write_tree(tmp_path / "train", {"Sea lion": ["a.jpg"]})
    write_tree(tmp_path / "val", {"sea_lion": ["a.jpg"]})
    assert "has: sea_lion (there is 'Sea lion')" in _disagreement(tmp_path)


def test_no_images_at_all_is_refused(tmp_path):
    write_tree(tmp_path / "train", {"a": ["x.txt"]})
    assert f"{tmp_path / 'train'} holds no images" in _error(tmp_path)


def test_an_empty_class_is_named(tmp_path):
    write_tree(tmp_path / "train", GOOD | {"n03": [], "n04": ["notes.txt"]})
    message = _error(tmp_path)
    assert str(tmp_path / "train") in message and "2 classes without images: n03, n04" in message


@pytest.mark.parametrize("split, other", [("train", "val"), ("val", "train")])
@pytest.mark.parametrize("phase", ["train", "test"])
def test_a_class_missing_on_either_side_is_named(tmp_path, split, other, phase):
    write_tree(tmp_path / split, GOOD)
    write_tree(tmp_path / other, {f"n0{i}": ["a.jpg"] for i in range(1, 10)})
    keys = ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet"]
    with pytest.raises(ValueError, match=f"{tmp_path / split} lacks 7 classes .*n03, n04, n05, n06, n07 and 2 more"):
        build_imagenet(load_cfg(None, keys), phase)


def test_the_data_folder_comes_from_the_key_then_from_the_environment(tmp_path, monkeypatch):
    write_tree(tmp_path / "key" / "imagenet" / "train", {"cat": ["a.jpg"]})
    write_tree(tmp_path / "variable" / "train", {"dog": ["a.jpg"]})
    monkeypatch.setenv("PYCLS_DATA_DIR", str(tmp_path / "variable"))
    assert build_imagenet(load_cfg(None), "train").classes == ("dog",)
    assert build_imagenet(load_cfg(None, ["DATA_DIR", str(tmp_path / "key")]), "train").classes == ("cat",)


def test_without_a_data_folder_the_error_says_how_to_give_one(tmp_path, monkeypatch):
    monkeypatch.delenv("PYCLS_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match=r"DATA_DIR.*PYCLS_DATA_DIR"):
        build_imagenet(load_cfg(None), "train")
    with pytest.raises(ValueError, match="DATA_DIR: /no/such/folder is not a folder"):
        build_imagenet(load_cfg(None, ["DATA_DIR", "/no/such/folder"]), "train")


@pytest.mark.parametrize("phase", ["train", "test"])
def test_the_two_phases_must_have_the_same_classes(tmp_path, phase):
    write_tree(tmp_path / "train", GOOD)
    write_tree(tmp_path / "val", {"n01": ["a.jpg"], "other": ["b.jpg"]})
    settings = ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "imagenet"]
    with pytest.raises(ValueError, match=r"lacks 1 class that .*: (n02|other) \(and has .(n02|other). instead\)$"):
        build_imagenet(load_cfg(None, [*settings, "TEST.DATASET", "imagenet"]), phase)
    # Another data set for the test has classes of its own.
    assert len(build_imagenet(load_cfg(None, [*settings, "TEST.DATASET", "digits"]), phase).classes) == 2
