"""Code from outside is imported in every process that a run starts."""

import pytest

from pycls.loader_benchmark.measure.runner import run_task
from pycls.loader_benchmark.measure.task import Task
from tests.helpers.runs import DIGITS, overrides, run_tool, tiny_words

# Notes in which processes it is imported; its backend is the custom one under another name.
MODULE = """
import multiprocessing, os
with open(os.path.join({folder!r}, "seen"), "a") as file:
    file.write(multiprocessing.current_process().name.split("-")[0] + "\\n")
from pycls.datasets import BACKENDS, DATASETS
DATASETS["mine"], BACKENDS["mine"] = DATASETS["digits"], BACKENDS["custom"]
"""
PLUGINS = {"PLUGINS": '["noting"]', "TRAIN.DATASET": "mine", "TEST.DATASET": "mine"}


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Return what reads the kinds of processes that the module was imported in."""
    (tmp_path / "noting.py").write_text(MODULE.format(folder=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return lambda: (tmp_path / "seen").read_text().split()


def test_ranks_and_loader_workers(seen, tmp_path):
    """One run of two ranks, with two worker processes for each of two loaders (five starts: half a minute)."""
    words = tiny_words(tmp_path / "run", OPTIM__MAX_EPOCH=1, NUM_GPUS=2, DATA_LOADER__NUM_WORKERS=1)
    words += overrides(PLUGINS | {"DATA_LOADER.BACKEND": "mine", "DATA_LOADER.WORKER_MODE": "processes"})
    done = run_tool("train_net.py", "--cfg", DIGITS, *words)
    assert done.returncode == 0, done.stderr
    names = seen()
    assert names.count("MainProcess") == 1 and names.count("SpawnProcess") == 2
    assert names.count("WorkerProcess") == 4, names  # training and test, of both ranks


def test_workers_of_torch_and_the_process_of_a_measurement(seen, tmp_path):
    (tmp_path / "run.yaml").write_text("PLUGINS: [noting]\nTRAIN: {DATASET: mine}\nTEST: {DATASET: mine}\n")
    sizes = ["TRAIN.IM_SIZE", "8", "TEST.IM_SIZE", "8", "DEVICE", "cpu", "DATA_LOADER.NUM_WORKERS", "1"]
    words = [*sizes, "DATA_LOADER.BACKEND", "torch"]
    words += ["TRAIN.BATCH_SIZE", "32", "TEST.BATCH_SIZE", "32"]
    file = str(tmp_path / "pixels.npz")
    run = str(tmp_path / "run.yaml")
    answer = run_task(Task(kind="probe", cfg_file=run, overrides=words, num_samples=32, pixels_file=file))
    assert answer.get("images_per_sec", 0) > 0, answer
    assert sorted(seen()) == ["MainProcess", "WorkerProcess", "WorkerProcess"]  # a worker for each of two views
