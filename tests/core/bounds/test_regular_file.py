"""Whole files are read; what is none, or has no end, is refused in one line, whoever reads it."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reliability.lists.image_attacks import make_sparse, no_files
from pycls.core.bounds import regular_file
from pycls.core.bounds.regular_file import read_regular
from pycls.core.config import load_cfg
from pycls.datasets.heartbeat import NOTHING, Heartbeat
from pycls.datasets.readers.native import read_files
from pycls.datasets.readers.skip_list import load_skip_list
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
    assert said["pipe.jpg"] == "it is a pipe, expected a file" and said["socket.jpg"].startswith("it is a socket")
    assert said["zeros.jpg"].startswith("it is a device") and said["folder.jpg"].startswith("it is a folder")
    assert said["terabyte.jpg"] == "it has more than 1,073,741,824 bytes, the most that are read of one"


def test_what_the_system_makes_up_is_read_to_its_end():
    assert read_regular("/proc/version") == Path("/proc/version").read_bytes()


def test_a_file_that_goes_on_and_on_is_left(tmp_path):
    endless = lambda size: bytes(size)  # noqa: E731
    with pytest.raises(ValueError, match=r"^it has more than 3,145,728 bytes"):
        regular_file._read(endless, 10, 3 << 20, "it")
    (tmp_path / "x").write_bytes(b"x" * (3 << 20))
    assert len(read_regular(tmp_path / "x", 3 << 20)) == 3 << 20


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
    with pytest.raises(ValueError, match=r"list\.csv: it has more than 17,179,869,184 bytes"):
        read_table(odd / "list.csv")
    make_sparse(odd / "list.csv", 1 << 32, b"path,label\n")
    with pytest.raises(ValueError, match=r"list\.csv:2: the line is longer than 1,000,000 characters"):
        list(read_table(odd / "list.csv")[1])


def test_a_file_is_read_up_to_the_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 5, "it") == b"12345"
    with pytest.raises(ValueError, match=r"^it has more than 4 bytes"):
        read_regular(tmp_path / "a", 4, "it")
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 4, "it")


def _special_files(folder):
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket"))
    server.close()
    return {"pipe": "a pipe", "zero": "a device", "folder": "a folder", "socket": "a socket"}


def test_what_is_no_file_is_called_what_it_is(tmp_path):
    for name, kind in _special_files(tmp_path).items():
        with pytest.raises(ValueError, match=f"^it is {kind}, expected a file"):
            read_regular(tmp_path / name, 4, "it")
        with pytest.raises(ValueError, match=rf"DATA.CLASSES .*{name}: is {kind}"):
            load_classes(str(tmp_path / name))
        with pytest.raises(ValueError, match=rf"DATA_LOADER.SKIP_LIST .*{name}: is {kind}"):
            load_skip_list(str(tmp_path / name), ["train"])
        with pytest.raises(ValueError, match=rf"{name}: is {kind}"):
            load_cfg(str(tmp_path / name))


def test_a_file_that_is_mostly_hole_is_not_read(tmp_path):
    for name in ("a.yaml", "classes.txt"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10**12)
    with pytest.raises(ValueError, match=r"a.yaml: a config file has more than 2,000,000 bytes"):
        load_cfg(str(tmp_path / "a.yaml"))
    with pytest.raises(ValueError, match=r"classes.txt: has more than 10,000,000 bytes"):
        load_classes(str(tmp_path / "classes.txt"))


@pytest.mark.parametrize(("depth", "width"), [(9, 2), (120, 1)])
def test_bases_end(tmp_path, depth, width):
    for number in range(depth):
        bases = ", ".join([f"b{number + 1}.yaml"] * width)
        (tmp_path / f"b{number}.yaml").write_text(f"_BASE_: [{bases}]\n")
    (tmp_path / f"b{depth}.yaml").write_text("RNG_SEED: 2\n")
    with pytest.raises(ValueError, match=r"_BASE_ leads to more than 100 files"):
        load_cfg(str(tmp_path / "b0.yaml"))


def test_classes_named_twice_are_found_in_time(tmp_path):
    (tmp_path / "classes.txt").write_text("".join(f"c{n // 2}\n" for n in range(40_000)))
    with pytest.raises(ValueError, match="names a class twice: c0, c1, c10"):
        load_classes(str(tmp_path / "classes.txt"))
    (tmp_path / "classes.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="not valid JSON"):
        load_classes(str(tmp_path / "classes.json"))
