"""Who is held out: a function of names alone, near the share asked for, unmoved by what is added; folds partition."""

import hashlib
import unicodedata
from fractions import Fraction

import numpy as np
import pytest

from pycls.datasets.readers.holdout import divide, place
from pycls.datasets.readers.samples import FileSamples, pack_names


def samples_of(files):
    """Return samples of {class: names}."""
    classes = tuple(sorted(files))
    paths = [f"{name}/{file}" for name in classes for file in sorted(files[name])]
    labels = np.repeat(np.arange(len(classes)), [len(files[name]) for name in classes])
    return FileSamples("/data/photos", pack_names(paths), labels, classes)


def parts_of(files, edges, seed=0):
    samples = samples_of(files)
    parts = divide(samples, seed, edges, "DATA.VAL_FRACTION 0.2")
    return {samples.paths[i]: int(part) for i, part in enumerate(parts)}


def numbered(count, first=0):
    return {f"IMG_{number:04d}.JPG" for number in range(first, first + count)}


def random_names(count, seed):
    return {hashlib.md5(f"{seed} {i}".encode()).hexdigest() + ".jpg" for i in range(count)}


def test_the_place_of_an_image_is_the_formula_of_its_docstring():
    start = int.from_bytes(hashlib.sha256(b"3\ncat/garden\nIMG_#_a").digest()[:8], "big")
    golden = Fraction(0x9E3779B97F4A7C15, 2**64)
    expected = (Fraction(start, 2**64) + 13 * golden) % 1
    assert abs(place(3, "cat/garden/IMG_0013_a.jpg") - expected) < 1e-15
    assert abs(float(golden) - (5**0.5 - 1) / 2) < 1e-15


def test_the_ending_and_the_spelling_of_an_accent_do_not_count():
    assert place(0, "Café/ü 1.jpg") == place(0, unicodedata.normalize("NFD", "Café/ü 1.png"))
    assert place(0, "a/1.jpg") != place(0, "b/1.jpg") != place(1, "b/1.jpg")
    assert 0 <= place(0, "no\udcff number/not\udcff.jpg") < 1, "any bytes are a name"


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("count", [5, 10, 37, 100, 400])
def test_numbered_files_are_cut_in_nearly_exact_shares(share, count):
    files = {f"class {k}": numbered(count, first=100 * k) for k in range(40)}
    parts = parts_of(files, [0, share, 1])
    held = [sum(part == 0 for name, part in parts.items() if name.startswith(f"{label}/")) for label in files]
    assert max(abs(each - share * count) for each in held) <= 2, "a die would be off by ten"
    assert abs(np.mean(held) - max(1, share * count)) <= 0.5, "at least one"


def test_any_other_names_are_cut_as_by_chance_but_never_without_an_image_on_either_side():
    files = {f"class {k}": random_names(10, k) for k in range(300)}
    parts = parts_of(files, [0, 0.2, 1])
    held = [sum(part == 0 for name, part in parts.items() if name.startswith(f"{label}/")) for label in files]
    assert min(held) >= 1 and max(held) <= 9 and abs(np.mean(held) - 2) < 0.25
    few = parts_of({f"class {k}": random_names(2, k) for k in range(300)}, [0, 0.2, 1])
    assert all(sum(few[f"class {k}/{name}"] for name in random_names(2, k)) == 1 for k in range(300))


@pytest.mark.parametrize("make", [numbered, random_names], ids=["numbered", "random"])
def test_images_that_are_added_or_removed_move_no_other_one(make):
    old = {f"class {k}": make(60, k) for k in range(20)}
    before = parts_of(old, [0, 0.2, 1])
    more = {
        name: files | {"a.jpg", "new 7.png", "zz/deep.jpg"} | random_names(30, "new") for name, files in old.items()
    }
    after = parts_of({**more, "another class": numbered(9)}, [0, 0.2, 1])
    assert {name: after[name] for name in before} == before
    less = {name: set(sorted(files)[::2]) for name, files in old.items()}
    assert all(before[name] == part for name, part in parts_of(less, [0, 0.2, 1]).items())


def test_an_image_that_is_held_out_for_want_of_another_goes_back_when_one_comes_and_none_is_taken():
    for k in range(200):
        names = sorted(random_names(8, k))
        before = {}
        for count in range(2, 9):
            now = parts_of({"c": set(names[:count])}, [0, 0.2, 1])
            taken = [name for name, part in before.items() if (part, now[name]) == (1, 0)]
            assert not taken or all(part == 0 for name, part in before.items() if name not in taken), (
                "only the one image that was to train on in a class of held out ones may be held out later"
            )
            before = now


def test_folds_are_a_partition_with_every_class_in_each_and_fold_0_is_the_share():
    files = {"a": numbered(50), "b": random_names(12, 1), "c": random_names(5, 2)}
    edges = [number / 5 for number in range(6)]
    parts = parts_of(files, edges)
    for name, members in files.items():
        counts = np.bincount([parts[f"{name}/{file}"] for file in members], minlength=5)
        assert counts.min() >= 1 and counts.sum() == len(members)
    fifth = parts_of({"a": files["a"]}, [0, 0.2, 1])
    assert [name for name, part in fifth.items() if part == 0] == [name for name in fifth if parts[name] == 0], (
        "a class with images in every fold is cut alike"
    )


def test_too_few_images_for_the_parts_are_named():
    with pytest.raises(ValueError, match=r"^DATA.VAL_FRACTION 0.2 needs at least 2 images.*photos.*b \(1\)"):
        parts_of({"a": numbered(5), "b": {"one.jpg"}}, [0, 0.2, 1])


def listed(rows):
    """Return samples of (path, label) rows, as a list of images gives them."""
    classes = tuple(sorted({label for _, label in rows}))
    labels = np.array([classes.index(label) for _, label in rows])
    return FileSamples("/data/photos", pack_names([path for path, _ in rows]), labels, classes)


@pytest.mark.parametrize("num_parts", [2, 3])
def test_an_image_is_on_one_side_only_however_often_and_under_whatever_labels_it_is_listed(num_parts):
    large = [(name, label) for label in "ab" for name in sorted(random_names(20, label))]
    for k in range(60):  # small classes, which need an image moved: of images of a, and some of them twice
        few = [name for name, label in large if label == "a"][k % 15 :][:num_parts]
        rows = [
            *large,
            *((name, "c") for name in few),
            (few[0], "c"),
            ("other/" + few[0], "d"),
            *((n, "d") for n in few),
        ]
        parts = divide(listed(rows), k, [n / num_parts for n in range(num_parts + 1)], "DATA.FOLDS")
        sides = {}
        for (name, _), part in zip(rows, parts.tolist(), strict=True):
            assert sides.setdefault(name, part) == part
        for label in "abcd":
            assert {part for (_, own), part in zip(rows, parts.tolist(), strict=True) if own == label} == set(
                range(num_parts)
            )


def test_one_picture_in_two_formats_is_one_image():
    parts = parts_of({"a": {"7.png", "7.jpg", "8.png"}, "b": numbered(9)}, [0, 0.2, 1])
    assert parts["a/7.png"] == parts["a/7.jpg"] != parts["a/8.png"]
    with pytest.raises(ValueError, match=r"at least 2 images of each class.* of a \(1\).*another format"):
        parts_of({"a": {"7.png", "7.jpg"}, "b": numbered(9)}, [0, 0.2, 1])


def test_labels_that_cannot_all_be_on_both_sides_are_named():
    rows = [("1.x", "a"), ("2.y", "a"), ("2.y", "b"), ("3.z", "b"), ("3.z", "c"), ("1.x", "c")]
    with pytest.raises(ValueError, match=r"^DATA.FOLDS: photos has images under several labels, .* one of [abc]: "):
        divide(listed(rows), 0, [0, 0.5, 1], "DATA.FOLDS")
