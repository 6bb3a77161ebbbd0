"""A temporary folder that is gone whatever happens."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pycls.core.processes.temporary import temporary_folder

PROGRAM = """
import sys, time
from pathlib import Path
from pycls.core.processes.temporary import temporary_folder
with temporary_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("some")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_it_is_gone_afterwards(tmp_path):
    with pytest.raises(KeyError), temporary_folder(tmp_path) as folder:
        (folder / "sub").mkdir()
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_it_is_gone_when_all_processes_of_the_program_are_killed(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == b"ready\n" and len(list(tmp_path.glob("*/file"))) == 1
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 20
    while list(Path(tmp_path).iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not list(tmp_path.iterdir())
