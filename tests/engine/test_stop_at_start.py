"""Signals for the whole job while its processes start: none of them dies of one, and the run says one thing."""

import os
import subprocess
import sys

import pytest

from pycls.engine import EXIT_STOPPED
from tests.helpers.paths import ROOT
from tests.helpers.runs import DIGITS, tiny_words

# Imported by each process of a run as it starts; those that another one started send the signals.
BARRAGE = """
import multiprocessing, os, signal
if multiprocessing.parent_process() is not None:
    for number in 5 * (signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR1):
        os.killpg(0, number)
"""


@pytest.mark.parametrize(
    ("keys", "last"),
    [
        ({"DATA_LOADER__BACKEND": "torch", "DATA_LOADER__NUM_WORKERS": 2}, "Stopped in epoch 1 after step"),
        ({"NUM_GPUS": 2}, "train_net.py: stopped by SIG"),
    ],
    ids=["workers", "ranks"],
)
def test_signals_while_processes_start_stop_the_run(tmp_path, keys, last):
    (tmp_path / "barrage.py").write_text(BARRAGE)
    words = tiny_words(tmp_path / "run", OPTIM__MAX_EPOCH=200, PLUGINS=["barrage"], **keys)
    command = [sys.executable, str(ROOT / "tools/train_net.py"), "--cfg", DIGITS, *words]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, start_new_session=True, timeout=250)
    assert done.returncode == EXIT_STOPPED, done.stderr
    said = (done.stdout + done.stderr).splitlines()
    assert sum(last in line for line in said) == 1 and "Traceback" not in done.stderr, said
