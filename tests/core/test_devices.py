"""DEVICE: what is there, what is refused; the GPUs of this machine are made up."""

import pytest
import torch

from pycls.core import distributed
from pycls.core.config import load_cfg
from pycls.core.distributed import pick_device
from pycls.engine.checks import check_processes


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_a_gpu_by_number(two_gpus):
    assert pick_device("cuda:1") == torch.device("cuda", 1) and pick_device("cuda") == torch.device("cuda", 0)
    check_processes(load_cfg(None, ["DEVICE", "cuda:1"]))
    with pytest.raises(ValueError, match=r"DEVICE cuda:2: there is no GPU of that number, 2 visible \(cuda:0"):
        pick_device("cuda:2")


def test_one_gpu_is_for_one_process(two_gpus, monkeypatch):
    cfg = load_cfg(None, ["DEVICE", "cuda:1", "NUM_GPUS", "2"])
    with pytest.raises(ValueError, match=r"DEVICE cuda:1 is one GPU, and NUM_GPUS asks for 2 .*set DEVICE cuda"):
        check_processes(cfg)
    monkeypatch.setattr(distributed, "local_world_size", lambda: 2)
    with pytest.raises(ValueError, match="several processes cannot share one GPU"):
        pick_device("cuda:1")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RANK", "abc", r"^the environment variable RANK must be a whole number, got 'abc'"),
        ("WORLD_SIZE", "two", r"^the environment variable WORLD_SIZE must be a whole number, got 'two'"),
        ("LOCAL_RANK", "-1", r"^the environment variable LOCAL_RANK must be a whole number, got '-1'"),
        ("RANK", "2", r"^RANK 2 of WORLD_SIZE 2: ranks are counted from 0 and below WORLD_SIZE"),
    ],
)
def test_what_a_launcher_has_set_is_named(name, value, said, monkeypatch):
    launched = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for variable, right in launched.items():
        monkeypatch.setenv(variable, right)
    assert (distributed.rank(), distributed.requested_world_size(4), distributed.local_rank()) == (1, 2, 1)
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        (distributed.rank(), distributed.local_rank())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA")
def test_without_cuda():
    with pytest.raises(ValueError, match=r"^DEVICE cuda:1: not available here \(available: .*cpu\)$"):
        pick_device("cuda:1")


@pytest.mark.parametrize("word", ["cuda:", "cuda:x", "cuda:-1", "cpu:0", "gpu", "1", "CUDA:0", "cuda:1 "])
def test_what_is_no_device(word):
    with pytest.raises(ValueError, match=r"DEVICE must be auto, cuda, cuda:N"):
        load_cfg(None, ["DEVICE", word])


@pytest.mark.gpu
def test_a_numbered_gpu_trains(tmp_path):
    from pycls.engine import train
    from tests.helpers.runs import tiny_cfg

    assert train(tiny_cfg(tmp_path, DEVICE="cuda:0", OPTIM__MAX_EPOCH=1)).count == 355
