"""Class files of every kind, and labels in their order."""

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.datasets import build_samples
from pycls.datasets.imagenet import build_imagenet
from pycls.datasets.sources.class_file import load_classes
from tests.helpers.arrays import write_tree

SYNSETS = "n01440764 tench, Tinca tinca\nn01443537 goldfish\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("\ufeffsea lion\r\nT-shirt/top\r\n\r\n", ("sea lion", "T-shirt/top")),
        ("0 cat\n1 dog", ("cat", "dog")),
        ("2: dog\n1: cat\n", ("cat", "dog")),
        ("0,cat\n1,sea lion\n", ("cat", "sea lion")),
        ("7 eleven\n8 ball\n", ("7 eleven", "8 ball")),  # no numbering
        ("0\n1\n2\n", ("0", "1", "2")),
        (SYNSETS, ("n01440764", "n01443537")),
        ("0 n01443537\n1 n01440764\n", ("n01443537", "n01440764")),
        ("n01440764\nno synset\n", ("n01440764", "no synset")),
    ],
)
def test_lines(tmp_path, text, names):
    (tmp_path / "names.txt").write_text(text, newline="")
    assert load_classes(str(tmp_path / "names.txt")) == names


@pytest.mark.parametrize(
    "text",
    ['["cat", "dog"]', '{"1": "dog", "0": "cat"}', '{"0": ["cat", "Cat"], "1": ["dog", "x"]}', '{"dog": 1, "cat": 0}'],
)
def test_json(tmp_path, text):
    (tmp_path / "names.json").write_text(text)
    assert load_classes(str(tmp_path / "names.json")) == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", None, "DATA.CLASSES .*a.txt: No such file"),
        ("a.txt", "\n \n", "names no classes"),
        ("a.txt", "cat\ndog\ncat\n", "names a class twice: cat"),
        ("a.txt", "c\0t\n", "zero bytes"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", '{"0": "cat", "2": "dog"}', "expected a list of names"),
        ("a.json", "[1, 2]", "expected a list of names"),
        ("a.json", r'["a\ud800", "b"]', "expected a list of names"),
        ("a.json", r'["a\u0000", "b"]', "expected a list of names"),
        ("a.json", '["", "b"]', "expected a list of names"),
    ],
)
def test_mistakes(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_classes(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def settings(tmp_path, *more):
    keys = ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet"]
    return load_cfg(None, [*keys, *map(str, more)])


def names_file(tmp_path, *names):
    (tmp_path / "names.txt").write_text("\n".join(names))
    return ["DATA.CLASSES", tmp_path / "names.txt", "MODEL.NUM_CLASSES", len(names)]


def test_labels_follow_the_file(tmp_path):
    for split in ("train", "val"):
        write_tree(tmp_path / split, {"a": ["1.jpg"], "b": ["2.jpg", "3.jpg"]})
    keys = names_file(tmp_path, "b", "a")
    for phase in ("train", "test"):
        samples = build_samples(settings(tmp_path, *keys), phase)
        assert samples.classes == ("b", "a") and samples.labels.tolist() == [1, 0, 0]
    keys = names_file(tmp_path, "b", "x", "a")
    with pytest.raises(ValueError, match=r"train has no images of 1 of the 3 classes in DATA.CLASSES .*: x; DATA.MISS"):
        build_samples(settings(tmp_path, *keys), "train")
    samples = build_samples(settings(tmp_path, *keys, "DATA.MISSING_CLASSES", True), "train")
    assert samples.labels.tolist() == [2, 0, 0]
    with pytest.raises(ValueError, match=r"names.txt lacks 1 class that .*train has: b"):
        build_imagenet(settings(tmp_path, *names_file(tmp_path, "a", "c")), "train")


def test_a_name_in_other_code_points_is_named_as_such(tmp_path):
    write_tree(tmp_path / "train", {"a": ["1.jpg"], "caf\u00e9": ["2.jpg"]})
    with pytest.raises(
        ValueError, match=r"lacks 1 class .*: caf\u00e9; .* other code points \(cafe U\+0301, not caf U\+00E9"
    ):
        build_imagenet(settings(tmp_path, *names_file(tmp_path, "a", "cafe\u0301")), "train")


def test_folders_called_by_numbers_are_places_in_the_file(tmp_path):
    write_tree(tmp_path / "train", {"0": ["1.jpg"], "2": ["2.jpg"], "10": ["3.jpg"]})
    names = [f"c{number}" for number in range(11)]
    samples = build_imagenet(settings(tmp_path, *names_file(tmp_path, *names)), "train")
    assert [samples.classes[label] for label in samples.labels] == ["c0", "c10", "c2"]  # folders are sorted as text
    with pytest.raises(ValueError, match=r"train has label 10, but DATA.CLASSES .* names 3 classes, from 0 to 2"):
        build_imagenet(settings(tmp_path, *names_file(tmp_path, "a", "b", "c")), "train")
    samples = build_imagenet(settings(tmp_path, *names_file(tmp_path, "10", "2", "0")), "train")
    assert samples.labels.tolist() == [2, 0, 1]  # they are names there


def test_a_file_that_counts_from_1_is_refused_for_labels_that_are_numbers(tmp_path):
    write_tree(tmp_path / "train", {"1": ["1.jpg"], "2": ["2.jpg"]})
    (tmp_path / "names.txt").write_text("1 a\n2 b\n3 c\n")
    keys = ["DATA.CLASSES", tmp_path / "names.txt", "MODEL.NUM_CLASSES", 3]
    with pytest.raises(ValueError, match=r"DATA.CLASSES .*names.txt counts its classes from 1, and the labels are num"):
        build_imagenet(settings(tmp_path, *keys), "train")
    (tmp_path / "names.txt").write_text("0 a\n1 b\n2 c\n")
    samples = build_imagenet(settings(tmp_path, *keys), "train")
    assert [samples.classes[label] for label in samples.labels] == ["b", "c"]


def test_two_folders_of_one_number_are_named(tmp_path):
    write_tree(tmp_path / "train", {"1": ["1.jpg"], "01": ["2.jpg"]})
    with pytest.raises(ValueError, match=r"train has 01 and 1, which are one number in DATA.CLASSES"):
        build_imagenet(settings(tmp_path, *names_file(tmp_path, "a", "b")), "train")


@pytest.mark.parametrize("keys", [("DATA.CLASSES", "x.txt"), ("DATA.MISSING_CLASSES", "True")])
def test_data_sets_with_classes_of_their_own_refuse_the_keys(keys):
    with pytest.raises(ValueError, match=f"{keys[0]} {keys[1]} does nothing .*digits"):
        load_cfg(None, ["TRAIN.DATASET", "digits", *keys])


def test_fewer_classes_in_val_keep_the_numbers_of_training(tmp_path):
    write_tree(tmp_path / "train", {"a": ["1.jpg"], "b": ["2.jpg"], "c": ["3.jpg"]})
    write_tree(tmp_path / "val", {"c": ["4.jpg"], "a": ["5.jpg"]})
    keys = ["MODEL.NUM_CLASSES", 3, "DATA.MISSING_CLASSES", True]
    samples = build_samples(settings(tmp_path, *keys), "test")
    assert samples.classes == ("a", "b", "c") and np.array_equal(samples.labels, [0, 2])
    with pytest.raises(ValueError, match=r"val lacks 1 class that .*train has: b; DATA.MISSING_CLASSES True allows"):
        build_samples(settings(tmp_path, "MODEL.NUM_CLASSES", 3), "train")
