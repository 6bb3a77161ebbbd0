"""Only regular files are read, and of those no more than a limit; nothing hangs on a pipe."""

import os
import socket

import pytest

from pycls.core.bounds.small_files import read_small
from pycls.core.config import load_cfg
from pycls.datasets.readers.skip_list import load_skip_list
from pycls.datasets.sources.class_file import load_classes


def test_a_file_is_read_up_to_the_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("a")
    assert read_small(tmp_path / "link", 5, "it") == b"12345"
    with pytest.raises(ValueError, match=r"^it has more than 4 bytes"):
        read_small(tmp_path / "a", 4, "it")
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "none", 4, "it")


def _special_files(folder):
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket"))
    server.close()
    return {"pipe": "a pipe", "zero": "a device", "folder": "a folder"}


def test_what_is_no_file_is_called_what_it_is(tmp_path):
    for name, kind in _special_files(tmp_path).items():
        with pytest.raises(ValueError, match=f"^it is {kind}, expected a file"):
            read_small(tmp_path / name, 4, "it")
        with pytest.raises(ValueError, match=rf"DATA.CLASSES .*{name}: is {kind}"):
            load_classes(str(tmp_path / name))
        with pytest.raises(ValueError, match=rf"DATA_LOADER.SKIP_LIST .*{name}: is {kind}"):
            load_skip_list(str(tmp_path / name), ["train"])
        with pytest.raises(ValueError, match=rf"{name}: is {kind}"):
            load_cfg(str(tmp_path / name))
    with pytest.raises(OSError):
        read_small(tmp_path / "socket", 4, "it")


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
