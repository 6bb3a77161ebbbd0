"""A file has its name when it is whole and on the disk, and never before."""

import errno
import os
import stat
import subprocess
import sys

import pytest

from pycls.core.atomic_io import atomic_file, atomic_folder, atomic_text, unfinished_name, write_durably
from pycls.core.logging import MetricsFile

KILLED = """import os, sys
from pathlib import Path
from pycls.core.atomic_io import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def calls(monkeypatch):
    """Note what reaches the disk, in order: the kind of what is synchronized, and the names of renamings."""
    noted, fsync, replace = [], os.fsync, os.replace

    def note_fsync(descriptor):
        noted.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def note_replace(source, target):
        noted.append(target.name)
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    return noted


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, calls):
    write_durably(tmp_path / "x", b"12345")
    assert calls == [5, "x", "folder"] and (tmp_path / "x").read_bytes() == b"12345"


@pytest.mark.parametrize("where", ["while writing", "in the check"])
def test_an_error_leaves_what_was_there_before(tmp_path, where):
    file = tmp_path / "x"
    file.write_bytes(b"before")

    def check(written):
        assert written.read_bytes() == b"half" and file.read_bytes() == b"before"
        raise ValueError

    with pytest.raises(ValueError), atomic_file(file, check=check) as output:
        output.write(b"half")
        if where == "while writing":
            raise ValueError
    assert file.read_bytes() == b"before" and list(tmp_path.iterdir()) == [file]


def test_a_killed_process_leaves_the_old_file_and_a_hidden_one(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(b"before")
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)]).returncode == -9
    assert file.read_bytes() == b"before"
    (other,) = (path for path in tmp_path.iterdir() if path != file)
    assert other.match(".x.*.tmp"), "what checkpoint.remove_temporaries looks for"


def test_two_writers_have_names_of_their_own(tmp_path):
    assert unfinished_name(tmp_path / "x") != unfinished_name(tmp_path / "x")


def test_a_folder_replaces_an_older_one_as_a_whole(tmp_path, calls):
    for number in range(2):
        with atomic_folder(tmp_path / "x") as folder:
            (folder / f"file {number}").write_bytes(b"12345")
            assert not (tmp_path / "x" / f"file {number}").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["x", "x/file 1"]
    assert calls[:4] == [5, "folder", "x", "folder"], "each file, its name, the name of the folder, and that name"


def test_an_error_leaves_the_older_folder(tmp_path):
    with atomic_folder(tmp_path / "x") as folder:
        (folder / "file").write_bytes(b"before")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "x", tmp_path / "new") as folder:
        (folder / "file").write_bytes(b"half")
        raise ValueError
    assert (tmp_path / "x" / "file").read_bytes() == b"before" and list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(OSError), atomic_folder(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_bytes() == b"mine" and list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_records_are_replaced_as_durably(tmp_path, calls):
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    for number in range(3):
        metrics.write({"epoch": number})
    metrics.replace(metrics.read()[:2])
    assert metrics.read() == [{"epoch": 0}, {"epoch": 1}]
    assert calls == [len(b'{"epoch": 0}\n{"epoch": 1}\n'), "metrics.jsonl", "folder"]


def test_a_text_is_there_as_a_whole_or_not_at_all_and_an_error_names_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(OSError, match=r"No space left on device: '.*table.csv'"), atomic_text(path) as text:
        text.write("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_text_goes_through_links_and_pipes(tmp_path):
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("file")
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        for path in (link, pipe):
            with atomic_text(path) as text:
                text.write("a\n\udcff")
        assert reader.communicate()[0] == (tmp_path / "file").read_bytes() == b"a\n\xff"
    assert link.is_symlink()
    assert pipe.is_fifo()
