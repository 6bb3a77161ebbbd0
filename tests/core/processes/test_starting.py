"""What scripts and notebooks that start processes are told."""

import os
import subprocess
import sys
import types

import pytest

from pycls.core.processes.starting import EXIT_NO_GUARD, check_main_can_start, no_guard
from tests.helpers.paths import ROOT

SCRIPT = """
from os.path import basename
from pycls.datasets.workers.processes import ProcessWorkers
workers = ProcessWorkers(basename, 2)
workers.submit("any").result()
"""


def test_a_script_without_a_guard_is_told_of_it_once(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1, done.stderr  # its own, of the ValueError
    line = done.stderr.splitlines()[-1]
    assert line.startswith("ValueError: ") and "mine.py: " in line and 'under `if __name__ == "__main__":`' in line


def test_other_ends_are_no_missing_guard():
    assert no_guard(EXIT_NO_GUARD) and not any(map(no_guard, (None, 0, 1, -9, 75)))


@pytest.mark.parametrize(
    ("path", "modules", "words"),
    [
        (None, ["IPython"], "NUM_GPUS 2: cannot be started from a notebook"),
        ("<stdin>", [], r"a program without a file \(<stdin>\)"),
        (None, [], ""),  # python -c: nothing is imported
        (__file__, ["IPython"], ""),
    ],
)
def test_several_processes_start_from_files_only(path, modules, words, monkeypatch):
    main = types.ModuleType("__main__")
    if path is not None:
        main.__file__ = path
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    if not words:
        check_main_can_start("NUM_GPUS 2")
        return
    with pytest.raises(ValueError, match=f"{words}.*`python tools/train_net.py`"):
        check_main_can_start("NUM_GPUS 2")
