"""A machine without room for the loader is told so, with the fix, before the first batch."""

import contextlib
import resource
import subprocess
import sys

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.backends import count_workers
from pycls.datasets.workers import resources
from pycls.datasets.workers.resources import Needs, check_room

DIGITS = ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32"]


@pytest.mark.parametrize(
    "settings",
    [("DATA_LOADER.BACKEND", "torch"), ("DATA_LOADER.BACKEND", "custom", "DATA_LOADER.WORKER_MODE", "processes")],
)
def test_too_little_shared_memory_names_what_is_needed(monkeypatch, settings):
    monkeypatch.setattr(resources, "_free_bytes", lambda folder: 64 * 2**20)
    cfg = load_cfg(
        None,
        [
            *DIGITS,
            *settings,
            "DATA_LOADER.NUM_WORKERS",
            "5",
            "TRAIN.BATCH_SIZE",
            "1280",
            "TRAIN.IM_SIZE",
            "64",
            "TEST.IM_SIZE",
            "64",
        ],
    )
    # 5 + 2 batches of 1280 images of 64 x 64 x 3 bytes
    with pytest.raises(ValueError, match=r"need 110 MB of shared memory, .* 67 MB free: .*--shm-size=1g"):
        build_loader(cfg, "train", torch.device("cpu"))


def test_threads_need_no_shared_memory(monkeypatch):
    monkeypatch.setattr(resources, "_free_bytes", lambda folder: 0)
    build_loader(load_cfg(None, DIGITS), "train", torch.device("cpu")).close()


def test_too_few_threads_name_the_limit(monkeypatch):
    monkeypatch.setattr(resources, "free_threads", lambda: 30)
    check_room(Needs(threads=10))
    with pytest.raises(ValueError, match=r"about 36 threads .* may start 30 more: .*--pids-limit"):
        check_room(Needs(threads=20))


def test_a_low_soft_limit_of_open_files_is_raised_and_a_low_hard_limit_named():
    code = (
        "import resource; from pycls.datasets.workers.resources import *\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400))\n"
        "check_room(Needs(processes=16)); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "try: check_room(Needs(processes=100))\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    raised, message = done.stdout.splitlines()
    assert 16 * 8 + 64 < int(raised) < 400
    assert "open files, but the limit is 400" in message
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 400  # this process's is untouched


def test_workers_are_an_equal_share_of_the_cores_unless_set(monkeypatch):
    monkeypatch.setattr("pycls.datasets.backends.usable_cores", lambda: 64)
    shares = {}
    for processes in (1, 8, 100):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        shares[processes] = count_workers(automatic=True, asked=8)
    assert shares == {1: 64, 8: 8, 100: 1}
    assert count_workers(automatic=False, asked=3) == 3


def test_batches_and_processes_beyond_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(resources, "free_memory_bytes", lambda: 2 * 10**9)
    check_room(Needs(processes=4, own_bytes=10**9))
    with pytest.raises(ValueError, match=r"1,024 worker processes need 0.1 GB of memory each .* 2.0 GB are free here"):
        check_room(Needs(processes=1024))
    settings = ["TRAIN.BATCH_SIZE", "1280", "TRAIN.IM_SIZE", "64", "TEST.IM_SIZE", "64", "DATA_LOADER.NUM_WORKERS", "2"]
    cfg = load_cfg(None, [*DIGITS, *settings, "DATA_LOADER.PREFETCH", "10000"])
    # 10,002 batches of 1280 images of 64 x 64 x 3 bytes
    with pytest.raises(
        ValueError, match=r"the loader's batches need 157.3 GB of memory, 2.0 GB are free here: lower DATA"
    ):
        build_loader(cfg, "train", torch.device("cpu"))


def test_a_batch_has_no_more_room_than_there_are_images(monkeypatch):
    """TEST.BATCH_SIZE of millions means all of them at once."""
    monkeypatch.setattr(resources, "free_memory_bytes", lambda: 2 * 10**9)
    cfg = load_cfg(None, [*DIGITS, "TEST.BATCH_SIZE", "10000000"])
    with contextlib.closing(build_loader(cfg, "test", torch.device("cpu"))) as loader:
        assert [len(batch.labels) for batch in loader.epoch(0)] == [355]
