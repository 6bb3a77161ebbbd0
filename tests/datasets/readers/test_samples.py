"""Names and bytes of samples, and the memory that a million of them take."""

import pickle

import numpy as np
import pytest

from pycls.datasets.readers.samples import ArraySamples, FileSamples, pack_names


def test_names_survive_packing():
    names = ["a.jpg", "", "sub/ö ü.JPEG", "not\udcffunicode.png"]
    packed = pack_names(names)
    assert len(packed) == 4 and [packed[i] for i in range(4)] == names


def test_file_samples_read_whole_files(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.jpg").write_bytes(b"first")
    samples = FileSamples(str(tmp_path), pack_names(["x/a.jpg", "x/gone.jpg"]), np.array([0, 0]), ("x",))
    assert len(samples) == 2 and samples.read(0) == b"first"
    assert samples.name(1) == str(tmp_path / "x" / "gone.jpg")
    with pytest.raises(OSError, match=r"gone.jpg"):
        samples.read(1)


def test_array_samples_read_raw_pixels():
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    samples = ArraySamples(images, np.array([0, 1]), ("a", "b"), "cifar10 train")
    assert samples.read(1) == bytes(range(12, 24)) and samples.name(1) == "cifar10 train #1"


def test_samples_travel_to_workers_as_a_few_buffers():
    num = 100_000
    paths = pack_names([f"n{i % 1000:08d}/n{i:012d}.JPEG" for i in range(num)])
    samples = FileSamples("/data", paths, np.zeros(num, dtype=np.int64), ("x",))
    assert len(pickle.dumps(samples)) < num * (28 + 8 + 8) + 1000  # path, offset, label; no object each
