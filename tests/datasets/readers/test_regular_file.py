"""Whole files are read; what is none, or has no end, is refused in one line, whoever reads it."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.lists.image_attacks import make_sparse, no_files
from pycls.datasets.heartbeat import NOTHING, Heartbeat
from pycls.datasets.readers import regular_file
from pycls.datasets.readers.native import read_files
from pycls.datasets.readers.regular_file import read_regular
from pycls.datasets.sources.class_file import load_classes
from pycls.datasets.sources.list_table import read_table
from tests.helpers.jpegs import needs_extension

READABLE = ("memory_of_the_program.jpg",)  # a regular file by its word; reading it is an error of the system


@pytest.fixture
def odd(tmp_path):
    for name, make in no_files().items():
        make(tmp_path / name)
    return tmp_path


def test_what_is_no_file_is_said_to_be_none_and_nothing_hangs(odd):
    said = {}
    for name in no_files():
        with pytest.raises((ValueError, OSError)) as caught:
            read_regular(odd / name)
        said[name] = str(caught.value)
    assert said["pipe.jpg"] == "it is no regular file, but a pipe" and said["socket.jpg"].endswith("a socket")
    assert said["zeros.jpg"].endswith("but a device") and said["folder.jpg"].endswith("but a folder")
    assert said["terabyte.jpg"] == "it has 1,099,511,627,776 bytes, of one file no more than 1,073,741,824 are read"


def test_what_the_system_makes_up_is_read_to_its_end():
    assert read_regular("/proc/version") == Path("/proc/version").read_bytes()


def test_a_file_that_goes_on_and_on_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(regular_file, "MOST_BYTES", 3 << 20)
    endless = lambda size: bytes(size)  # noqa: E731
    with pytest.raises(ValueError, match="no more than 3,145,728 are read"):
        regular_file._read(endless, 10)
    (tmp_path / "x").write_bytes(b"x" * (3 << 20))
    assert len(read_regular(tmp_path / "x")) == 3 << 20


@needs_extension
def test_the_extension_leaves_them(odd):
    (odd / "good.jpg").write_bytes(b"good")
    names = [*no_files(), "good.jpg"]
    numbers, row = np.arange(len(names)), np.array([NOTHING, 0])
    found = read_files([os.fsencode(odd / name) for name in names], numbers, Heartbeat(row))
    assert found[-1] == b"good" and not any(found[:-1])


@pytest.mark.parametrize("name", ["pipe.jpg", "zeros.jpg", "terabyte.jpg"])
def test_class_files_and_lists_are_no_way_around(odd, name):
    with pytest.raises(ValueError, match=rf"DATA\.CLASSES .*{name}: (is a |has more than 10,000,000 bytes)"):
        load_classes(str(odd / name))
    make_sparse(odd / "list.csv", 1 << 40, b"path,label\n")
    with pytest.raises(ValueError, match=r"list\.csv: it has 1,099,511,627,776 bytes"):
        read_table(odd / "list.csv")
    make_sparse(odd / "list.csv", 1 << 32, b"path,label\n")
    with pytest.raises(ValueError, match=r"list\.csv:2: the line is longer than 1,000,000 characters"):
        list(read_table(odd / "list.csv")[1])


def test_class_files_of_too_many_brackets_are_one_line(tmp_path):
    (tmp_path / "names.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=re.escape("names.json: not valid JSON")):
        load_classes(str(tmp_path / "names.json"))
