"""Which part of the data a split's name means."""

import tarfile

import pytest

from pycls.core.config import load_cfg
from pycls.datasets.imagenet import build_imagenet
from pycls.datasets.sources.places import splits_of
from pycls.datasets.sources.split_names import is_none, resolve, resolve_half
from tests.helpers.arrays import write_tree

TREE = {"a": ["1.jpg"], "b": ["2.jpg"]}


@pytest.mark.parametrize(
    ("wanted", "present", "found"),
    [
        ("train", ["train", "Train", "training"], "train"),
        ("train", ["TRAIN", "val"], "TRAIN"),
        ("train", ["Training", "val"], "Training"),
        ("train", ["val"], None),
        ("val", ["train", "valid"], "valid"),
        ("val", ["VALIDATION", "test"], "VALIDATION"),
        ("val", ["Val", "valid"], "Val"),
        ("val", ["train", "dev"], "dev"),
        ("val", ["train", "Testing"], "Testing"),
        ("val", ["train"], None),
        ("test", ["val"], None),
        ("valid", ["val"], None),
        ("valid", ["Valid"], "Valid"),
        ("holdout", ["holdout"], "holdout"),
    ],
)
def test_a_name_means_itself_or_what_stands_in_for_it(wanted, present, found):
    assert resolve(wanted, present, "TEST.SPLIT", "data") == found


@pytest.mark.parametrize("present", [["valid", "dev"], ["Val", "VAL"], ["test", "Testing"]])
def test_two_that_could_be_meant_are_named(present):
    with pytest.raises(ValueError, match=r"holds \w+ and \w+, but no 'val': set TEST.SPLIT to the one that counts"):
        resolve("val", present, "TEST.SPLIT", "data")


def test_data_sets_that_come_in_two_know_two_halves():
    assert [resolve_half(name, "K", "digits") for name in ("train", "Training")] == ["train"] * 2
    assert [resolve_half(name, "K", "digits") for name in ("val", "valid", "dev", "test")] == ["test"] * 4
    with pytest.raises(ValueError, match=r"TRAIN\.SPLIT: digits has no split 'tran', it has train and val"):
        resolve_half("tran", "TRAIN.SPLIT", "digits")
    assert is_none("none") and is_none("None") and not is_none("nonesuch")


@pytest.mark.parametrize("value", ["", "a/b", "..", ".hidden", "a\nb"])
def test_a_split_is_a_bare_name(value):
    with pytest.raises(ValueError, match=r"TEST\.SPLIT must be the bare name of a part of the data set"):
        load_cfg(None, ["TEST.SPLIT", value])


def test_splits_of_a_folder(tmp_path):
    for name in ("Train", "valid", "extra"):
        write_tree(tmp_path / name, TREE)
    (tmp_path / "test").mkdir()  # a class of bare images, say
    (tmp_path / "test" / "1.jpg").write_bytes(b"")
    assert [place.split for place in splits_of(tmp_path)] == ["Train", "valid"]


def test_a_skip_list_names_the_folder_that_was_taken(tmp_path):
    write_tree(tmp_path / "data" / "Train", {"a": ["1.jpg", "2.jpg"], "b": ["3.jpg"]})
    from pycls.datasets import build_samples

    (tmp_path / "skip.txt").write_text("Train/a/1.jpg\nVALID/a/9.jpg\n")
    keys = ["DATA_DIR", str(tmp_path / "data"), "DATA_LOADER.SKIP_LIST", str(tmp_path / "skip.txt")]
    cfg = load_cfg(None, [*keys, "TRAIN.DATASET", "imagenet", "MODEL.NUM_CLASSES", "2"])
    samples = build_samples(cfg, "train")
    assert [samples.key(i) for i in range(len(samples))] == ["Train/a/2.jpg", "Train/b/3.jpg"]


def test_data_below_imagenet_may_have_any_names_too(tmp_path):
    write_tree(tmp_path / "imagenet" / "Training", TREE)
    cfg = load_cfg(None, ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "imagenet"])
    assert len(build_imagenet(cfg, "train")) == 2


def test_the_list_beside_class_folders_only_describes_them(tmp_path):
    write_tree(tmp_path / "train", TREE)
    (tmp_path / "train.csv").write_text("path,label\nnowhere.jpg,a\n")
    cfg = load_cfg(None, ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "imagenet"])
    assert build_imagenet(cfg, "train").name(0) == str(tmp_path / "train" / "a" / "1.jpg")
    for name in ("val.csv", "val.tsv"):
        (tmp_path / name).write_text("path,label\n")
    with pytest.raises(ValueError, match=r"holds 'val' twice: as the list .*val.csv and as the list .*val.tsv"):
        build_imagenet(load_cfg(None, ["DATA_DIR", str(tmp_path), "TEST.DATASET", "imagenet"]), "test")


def test_the_log_names_the_data_in_which_another_split_was_taken(tmp_path, caplog):
    write_tree(tmp_path / "photos" / "Train", TREE)
    files = [tmp_path / "photos" / "Train" / name for name in ("a/1.jpg", "b/2.jpg")]
    listed = [f"{path},{path.parent.name}" for path in files]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,split", *(f"{row},Training" for row in listed)]))
    (tmp_path / "bare.csv").write_text("\n".join(["path,label", *listed]))
    with tarfile.open(tmp_path / "photos" / "TRAIN-0.tar", "w") as tar:
        for path in files:
            tar.add(path, f"{path.stem}.jpg")
            (tmp_path / "label").write_text(path.parent.name)
            tar.add(tmp_path / "label", f"{path.stem}.cls")
    (tmp_path / "tars").mkdir()
    (tmp_path / "photos" / "TRAIN-0.tar").rename(tmp_path / "tars" / "TRAIN-0.tar")
    caplog.set_level("INFO", "pycls")
    for name, taken in (("photos", "Train"), ("all.csv", "Training"), ("tars", "TRAIN")):
        caplog.clear()
        words = ["DATA_DIR", str(tmp_path / name), "TRAIN.DATASET", "imagenet", "TEST.SPLIT", "none"]
        assert len(build_imagenet(load_cfg(None, words), "train")) == 2
        assert f"TRAIN.SPLIT train: there is none in {tmp_path / name}, '{taken}' is taken" in caplog.messages
    caplog.clear()
    for name in ("bare.csv", "photos/Train"):  # name no splits: none was looked for
        words = ["DATA_DIR", str(tmp_path / name), "TRAIN.DATASET", "imagenet", "TEST.SPLIT", "none"]
        assert len(build_imagenet(load_cfg(None, words), "train")) == 2
    assert not any("is taken" in message for message in caplog.messages)
