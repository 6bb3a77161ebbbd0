"""IDX files, compressed and not, whole and damaged."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.datasets import fashion_mnist
from pycls.datasets.fashion_mnist import build_fashion_mnist, load_fashion_mnist, load_idx
from tests.helpers.arrays import write_idx


def _write(folder, suffix=".gz", num=6):
    images = np.random.default_rng(0).integers(0, 256, (num, 28, 28), dtype=np.uint8)
    for prefix in ("train", "t10k"):
        write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", np.arange(num, dtype=np.uint8))
    return images


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_files_are_read(tmp_path, suffix):
    images = _write(tmp_path, suffix)
    for split in ("train", "test", "val"):
        samples = load_fashion_mnist([tmp_path / "elsewhere", tmp_path], split)
        np.testing.assert_array_equal(samples.images, images[..., None])
        assert samples.labels.tolist() == [0, 1, 2, 3, 4, 5] and samples.labels.dtype == np.int64
    assert samples.classes[9] == "Ankle boot" and samples.source == "fashion_mnist test"


def test_the_data_folder_comes_before_the_systems(tmp_path, monkeypatch):
    monkeypatch.delenv("PYCLS_DATA_DIR", raising=False)
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "system")
    _write(tmp_path / "system", num=3)
    assert len(build_fashion_mnist(load_cfg(None), "train")) == 3
    assert len(build_fashion_mnist(load_cfg(None, ["DATA_DIR", str(tmp_path)]), "train")) == 3
    _write(tmp_path / "fashion_mnist", num=6)
    assert len(build_fashion_mnist(load_cfg(None, ["DATA_DIR", str(tmp_path)]), "train")) == 6


def test_missing_files_say_how_to_get_them(tmp_path):
    with pytest.raises(ValueError, match=r"no train-images-idx3-ubyte.gz in .*apt-get install dataset-fashion-mnist"):
        load_fashion_mnist([tmp_path], "train")


@pytest.mark.parametrize("cut", [2, 9, 20, -1])
@pytest.mark.parametrize("suffix", [".gz", ""])
def test_damaged_files_are_named(tmp_path, cut, suffix):
    _write(tmp_path, suffix)
    file = tmp_path / f"train-images-idx3-ubyte{suffix}"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        load_idx(file)


def test_images_and_labels_must_belong_together(tmp_path):
    _write(tmp_path)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(5, dtype=np.uint8))
    with pytest.raises(ValueError, match="do not belong together"):
        load_fashion_mnist([tmp_path], "test")


def test_a_file_that_unpacks_to_much_more_is_refused_by_its_head(tmp_path):
    """A gigabyte of zeros in a megabyte; the same behind a head that claims it, and one that claims less."""
    zeros = gzip.compress(bytes(1 << 20)) * 1024
    heads = {
        "not a complete IDX file": b"",
        r"claims to hold \[1000000, 28, 28\] bytes": bytes([0, 0, 8, 3]) + struct.pack(">3I", 10**6, 28, 28),
        "is not a complete": bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 28, 28),
        r"claims to hold \[4294967295, ": bytes([0, 0, 8, 255]) + b"\xff" * 4 * 255,
    }
    file = tmp_path / "train-images-idx3-ubyte.gz"
    for words, head in heads.items():
        file.write_bytes(gzip.compress(head) + zeros)
        tracemalloc.start()
        with pytest.raises(ValueError, match=words):
            load_idx(file)
        assert tracemalloc.get_traced_memory()[1] < 5e6
        tracemalloc.stop()
