"""Images that a list names are left out; what cannot be meant is an error."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.reliability.lists.image_attacks import odd_names
from pycls.datasets.readers.samples import FileSamples, pack_names
from pycls.datasets.readers.skip_list import load_skip_list, save_skip_list, skip_listed

NAMES = ["a/1.png", "a/2.png", "b/1.png", "b/\udcff 2.png", "b/3.png"]
SPLITS = ("train", "val")


@pytest.fixture
def samples():
    return FileSamples("/data/train", pack_names(NAMES), np.array([0, 0, 1, 1, 1]), ("a", "b"))


def _write(tmp_path, text):
    (tmp_path / "list.txt").write_text(text, errors="surrogateescape")
    return str(tmp_path / "list.txt")


def test_only_names_of_the_split_are_left_out(samples, tmp_path):
    path = _write(tmp_path, "# bad\ntrain/a/2.png\n\nval/b/1.png\ntrain/b/\udcff 2.png\n")
    kept = skip_listed(samples, path, SPLITS)
    assert [kept.paths[i] for i in range(len(kept))] == ["a/1.png", "b/1.png", "b/3.png"]
    assert kept.labels.tolist() == [0, 1, 1] and kept.classes == ("a", "b") and kept.root == samples.root


def test_a_class_that_had_no_images_stays(samples, tmp_path):
    """As DATA.MISSING_CLASSES allows, and in a part of the classes of a network."""
    fewer = replace(samples, classes=("a", "b", "none"))
    assert len(skip_listed(fewer, _write(tmp_path, "train/a/2.png\n"), SPLITS)) == 4


def test_a_saved_list_reads_back(tmp_path):
    names = {"train/b/\udcff 2.png": "two\nlines", "train/a/1.png": ""}
    save_skip_list(tmp_path / "list.txt", names)
    assert load_skip_list(str(tmp_path / "list.txt"), SPLITS) == list(names)


def test_a_line_break_in_a_name_does_not_break_the_list(tmp_path):
    names = ["a/one\nname.png", "a/other\r\nname.png", "a/4.png", "b/5.png"]
    samples = FileSamples("/data/train", pack_names(names), np.array([0, 0, 0, 1]), ("a", "b"))
    save_skip_list(tmp_path / "list.txt", {samples.key(0): "bad", samples.key(1): "bad"})
    kept = skip_listed(samples, str(tmp_path / "list.txt"), SPLITS)
    assert [kept.paths[i] for i in range(len(kept))] == names[2:]


def test_names_that_are_not_there_are_warned_of(samples, tmp_path, caplog):
    caplog.set_level("WARNING", "pycls")
    assert len(skip_listed(samples, _write(tmp_path, "train/a/9.png\n"), SPLITS)) == 5
    assert "train/a/9.png not there" in caplog.text


def test_a_name_in_other_code_points_is_told_of(tmp_path, caplog):
    """As of a list that was written on a Mac."""
    caplog.set_level("WARNING", "pycls")
    samples = FileSamples("/data/train", pack_names(["a/caf\u00e9.png", "a/2.png"]), np.array([0, 0]), ("a",))
    assert len(skip_listed(samples, _write(tmp_path, "train/a/cafe\u0301.png\n"), SPLITS)) == 2
    assert "spelled with other code points" in caplog.text and "caf U+00E9 .png" in caplog.text


@pytest.mark.parametrize(
    "text, message",
    [
        ("train/a/1.png\na/2.png\n", r"list\.txt:2: expected <split>/<class>/<image> with a split of train, val: a/2"),
        ("train/a/1.png\ntrain/a/2.png\n", "leaves a class of train without images: a"),
    ],
)
def test_mistakes_are_errors(samples, tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        skip_listed(samples, _write(tmp_path, text), SPLITS)
    with pytest.raises(ValueError, match=r"SKIP_LIST: .*nothing\.txt"):
        skip_listed(samples, str(tmp_path / "nothing.txt"), SPLITS)


def test_selecting_names_by_the_million_keeps_them_packed():
    names = pack_names([f"{i}.png" for i in range(1000)])
    keep = np.arange(1000) % 7 == 0
    kept = names.select(keep)
    assert [kept[i] for i in range(len(kept))] == [f"{i}.png" for i in range(0, 1000, 7)]


def test_a_list_holds_any_name_and_a_terminal_may_show_it(tmp_path):
    names = [f"a/{name}" for name in odd_names()] + ["b/good.jpg", "b/t\\n.jpg", "b/t\n.jpg"]
    samples = FileSamples("/data/train", pack_names(names), np.zeros(len(names), int), ("a",))
    path = tmp_path / "list.txt"
    save_skip_list(path, {samples.key(index): f"bad\x1b[1m\n{index}" for index in range(len(odd_names()))})
    assert all(letter.isprintable() or letter == "\n" for letter in path.read_text("utf-8"))
    assert len(path.read_text("utf-8").split("\n")) == 2 * len(odd_names()) + 1
    kept = skip_listed(samples, str(path), SPLITS)
    assert [kept.paths[index] for index in range(len(kept))] == names[-3:]


def test_of_two_names_that_look_alike_only_the_one_that_is_meant_is_left_out(tmp_path):
    names = ["a/t\\n.png", "a/t\n.png", "a/3.png"]
    samples = FileSamples("/data/train", pack_names(names), np.zeros(3, int), ("a",))
    for index in (0, 1):
        save_skip_list(tmp_path / "list.txt", {samples.key(index): "bad"})
        kept = skip_listed(samples, str(tmp_path / "list.txt"), SPLITS)
        assert [kept.paths[number] for number in range(2)] == [names[1 - index], names[2]]


@pytest.mark.parametrize("line", ['"train/a/1.png', '"', '"train" "a"'])
def test_a_quoted_line_that_is_no_string_is_an_error(samples, tmp_path, line):
    with pytest.raises(ValueError, match=r"list\.txt:1: begins with a quote, but is no JSON string") as caught:
        skip_listed(samples, _write(tmp_path, line), SPLITS)
    assert "\n" not in str(caught.value)


def test_a_list_of_windows_and_one_that_is_no_file(samples, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf# bad\r\ntrain/a/2.png\r\n")
    assert len(skip_listed(samples, str(tmp_path / "list.txt"), SPLITS)) == 4
    with pytest.raises(ValueError, match="SKIP_LIST /dev/zero: is a device, expected a file"):
        skip_listed(samples, "/dev/zero", SPLITS)
