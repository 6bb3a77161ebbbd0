"""Two runs in one OUT_DIR: the second is refused, and a killed one leaves no lock."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys

import pytest

from pycls.core.locks import locked, no_trace_if_refused, sole_run

HOLD = """import sys, time
from pycls.core.locks import sole_run
with sole_run(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_by_the_name_of_the_first(holder, tmp_path):
    message = rf"OUT_DIR .* another run is writing there \(process {holder.pid} on "
    with pytest.raises(ValueError, match=message), sole_run(tmp_path, patience_sec=0):
        pass


def test_a_killed_run_leaves_no_lock(holder, tmp_path):
    holder.kill()
    with sole_run(tmp_path):
        pass
    with sole_run(tmp_path, patience_sec=0):
        pass


def test_a_lock_file_that_lies_there_locks_nothing(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on a host that is no more\n")
    with sole_run(tmp_path, patience_sec=0):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_trusted(tmp_path, monkeypatch, code):
    """Lustre mounted without them, say; nothing may stay that would hinder the same run after it was killed."""

    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with sole_run(tmp_path, patience_sec=0), sole_run(tmp_path, patience_sec=0):
        pass


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"), locked(tmp_path / "file" / "lock"):
        pass


def begin_run(out_dir, *files):
    out_dir.mkdir(parents=True)
    with sole_run(out_dir):
        for name in files:
            (out_dir / name).write_text("")
        raise ValueError("bad input")


def test_a_run_that_is_refused_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="bad input"), no_trace_if_refused(tmp_path / "new" / "run"):
        begin_run(tmp_path / "new" / "run", "stdout.log")
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_has_begun_stays_and_so_do_the_users_own_folders(tmp_path):
    with pytest.raises(ValueError, match="bad input"), no_trace_if_refused(tmp_path / "a"):
        begin_run(tmp_path / "a", "stdout.log", "metrics.jsonl")
    assert (tmp_path / "a/stdout.log").exists() and (tmp_path / "a/metrics.jsonl").exists()
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="bad input"), no_trace_if_refused(tmp_path / "b"):
        begin_run(tmp_path / "b" / "c")
    assert (tmp_path / "b").is_dir()
    with pytest.raises(ValueError, match="nowhere"), no_trace_if_refused(tmp_path / "d"):
        raise ValueError("nowhere")


def test_the_folder_of_a_run_that_began_meanwhile_stays(tmp_path):
    run = tmp_path / "run"
    with contextlib.ExitStack() as another:
        with pytest.raises(ValueError, match="refused"), no_trace_if_refused(run):
            run.mkdir()
            another.enter_context(sole_run(run))
            raise ValueError("refused")
        assert (run / ".lock").exists()
