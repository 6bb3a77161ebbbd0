"""A safetensors file of ours notices damage, which the format does not, and is read by others as before."""

import random
import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.reliability.damage import damage
from pycls.core.checkpoint import save_safetensors
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.parts import UnreadableFile

TENSORS = {"a": torch.arange(60.0).reshape(3, 20), "n": torch.tensor(5)}
ABOUT = {"pixels": '{"mean": [0.5]}', "cfg": "OUT_DIR: x\n", "classes": '["a", "b"]'}


def test_every_damage_is_noticed_and_others_read_it(tmp_path):
    path, damaged = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_safetensors(TENSORS, ABOUT, path)
    assert all(torch.equal(load_file(path)[name], tensor) for name, tensor in TENSORS.items())
    with safe_open(path, framework="pt") as file:
        assert ABOUT.items() < file.metadata().items()
    assert load_tensor_file(path)["classes"] == ["a", "b"]
    for seed in range(200):
        damaged.write_bytes(damage(path.read_bytes(), random.Random(seed))[1])
        with pytest.raises(UnreadableFile, match=r"b\.safetensors: "):
            load_tensor_file(damaged)


def test_odd_ones_end_in_one_line(tmp_path):
    path = tmp_path / "b.safetensors"
    save_file(TENSORS, path)
    assert load_tensor_file(path).keys() == TENSORS.keys()  # other programs name no digest
    for odd in ({"pixels": "[" * 100_000}, {"pixels": "5"}, {"pixels": "{}", "classes": "7"}, {"sha256": "0"}):
        save_file(TENSORS, path, ABOUT | odd)
        with pytest.raises(UnreadableFile, match=r"b\.safetensors: "):
            load_tensor_file(path)
    for data in (b"", b"\xff" * 8, struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 10**5) + b"[" * 10**5):
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=r"b\.safetensors: "):
            load_tensor_file(path)
