"""CIFAR files in the published Python 2 pickle format, and pickles that try to run code."""

import os
import pickle
import resource

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.datasets import build_samples
from pycls.datasets.cifar import load_cifar10, load_cifar100
from pycls.datasets.plain_pickle import load_pickle
from tests.helpers.arrays import python2_pickle

NAMES = [f"class{i}" for i in range(10)]


def _rows(num, seed):
    return np.random.default_rng(seed).integers(0, 256, (num, 3072), dtype=np.uint8)


def _write_cifar10(folder, dump=python2_pickle):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]):
        (folder / name).write_bytes(dump({"data": _rows(4, seed), "labels": [seed, 9, 8, 7], "batch_label": "x"}))
    (folder / "batches.meta").write_bytes(dump({"label_names": NAMES, "num_vis": 3072}))


@pytest.mark.parametrize("place", ["", "cifar10", "cifar-10-batches-py", "cifar10/cifar-10-batches-py"])
def test_cifar10_is_found_where_people_put_it(tmp_path, place):
    _write_cifar10(tmp_path / "root" / place)
    samples = load_cifar10(tmp_path / "root", "train")
    assert samples.images.shape == (20, 32, 32, 3) and samples.images.dtype == np.uint8
    assert samples.labels[::4].tolist() == [0, 1, 2, 3, 4] and samples.labels.dtype == np.int64
    assert samples.classes == tuple(NAMES) and samples.name(17) == "cifar10 train #17"


def test_planes_become_pixels(tmp_path):
    _write_cifar10(tmp_path / "cifar10")
    image = load_cifar10(tmp_path, "test").images[2]
    row = _rows(4, seed=5)[2]
    for channel, y, x in ((0, 0, 0), (1, 3, 7), (2, 31, 30)):
        assert image[y, x, channel] == row[1024 * channel + 32 * y + x]


def test_val_is_the_test_split(tmp_path):
    _write_cifar10(tmp_path / "cifar10")
    np.testing.assert_array_equal(load_cifar10(tmp_path, "val").images, load_cifar10(tmp_path, "test").images)


def test_pickles_rewritten_by_python3_are_read_too(tmp_path):
    _write_cifar10(tmp_path / "cifar10", dump=lambda value: pickle.dumps(value, protocol=2))
    assert len(load_cifar10(tmp_path, "train")) == 20


def test_cifar100_has_fine_labels(tmp_path):
    folder, names = tmp_path / "cifar-100-python", [f"fine{i}" for i in range(100)]
    folder.mkdir()
    for name in ("train", "test"):
        content = {"data": _rows(3, 0), "fine_labels": [99, 0, 50], "coarse_labels": [1, 2, 3]}
        (folder / name).write_bytes(python2_pickle(content))
    (folder / "meta").write_bytes(python2_pickle({"fine_label_names": names, "coarse_label_names": ["c"]}))
    samples = load_cifar100(tmp_path, "test")
    assert samples.labels.tolist() == [99, 0, 50] and samples.classes == tuple(names)


def test_a_missing_or_wrong_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no batches.meta in .*cifar-10-batches-py.*python version"):
        load_cifar10(tmp_path, "train")
    _write_cifar10(tmp_path / "cifar10")
    (tmp_path / "cifar10" / "data_batch_3").unlink()
    with pytest.raises(ValueError, match="data_batch_3 is missing"):
        load_cifar10(tmp_path, "train")
    (tmp_path / "cifar10" / "test_batch").write_bytes(python2_pickle({"data": _rows(4, 0), "labels": [1]}))
    with pytest.raises(ValueError, match=r"test_batch: its 'labels' are no list of 4 numbers"):
        load_cifar10(tmp_path, "test")
    (tmp_path / "cifar10" / "test_batch").write_bytes(pickle.dumps({"data": _rows(1, 0), "labels": [2**70]}, 2))
    with pytest.raises(ValueError, match=r"test_batch: its 'labels' are no list of 1 numbers"):
        load_cifar10(tmp_path, "test")
    (tmp_path / "cifar10" / "test_batch").write_bytes(python2_pickle({"data": _rows(1, 0)}))
    with pytest.raises(ValueError, match="test_batch has no entry 'labels'"):
        load_cifar10(tmp_path, "test")


class _Attack:
    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec, print], ids=lambda f: f.__name__)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_with_code_is_refused_before_it_runs(tmp_path, function, protocol, capfd):
    file = tmp_path / "data_batch_1"
    argument = "echo ran" if function is os.system else "print('ran')"
    file.write_bytes(pickle.dumps({"data": _Attack(function, argument)}, protocol=protocol))
    with pytest.raises(ValueError, match=r"data_batch_1 .*refused"):
        load_pickle(file)
    assert "ran" not in capfd.readouterr().out


def test_a_truncated_pickle_is_named(tmp_path):
    (tmp_path / "meta").write_bytes(python2_pickle({"data": _rows(1, 0)})[:-20])
    with pytest.raises(ValueError, match="meta is not a readable pickle"):
        load_pickle(tmp_path / "meta")


def test_number_of_classes_must_fit(tmp_path):
    _write_cifar10(tmp_path / "cifar10")
    settings = ["DATA_DIR", str(tmp_path), "TRAIN.DATASET", "cifar10"]
    assert len(build_samples(load_cfg(None, settings), "train").classes) == 10
    with pytest.raises(ValueError, match=r"MODEL.NUM_CLASSES is 100, but TRAIN.DATASET cifar10 has 10 classes"):
        build_samples(load_cfg(None, [*settings, "MODEL.NUM_CLASSES", "100"]), "train")


BOMBS = {
    "a number of a note that needs gigabytes": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "nesting that ends the stack": b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
    "an array of any size": pickle.dumps(np.zeros(0, np.uint8), 2).replace(b"K\x00\x85", b"J\xff\xff\xff\x7f\x85", 1),
    "an array of objects": pickle.dumps(np.zeros(1, object), 2),
    "an array of texts": pickle.dumps(np.zeros(1, "U9"), 2),
    "text longer than the file": b"\x80\x02T\xff\xff\xff\x7fabc.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_that_asks_for_too_much_is_refused(tmp_path, name):
    (tmp_path / "meta").write_bytes(BOMBS[name])
    with pytest.raises(ValueError, match="meta is not a readable pickle"):
        load_pickle(tmp_path / "meta")


# Of Python's pickle machine: a place in the memo that would take 32 GB; an array of a terabyte; a call of its type.
_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
_HUGE = (10**12).to_bytes(8, "little")
_LISTS = b"](" + b"K\x00" * 10 + b"eq\x00](" + b"h\x00" * 10 + b"e"
_LISTS += b"".join(b"q%c](" % n + b"h%c" % n * 10 + b"e" for n in range(1, 9))  # each has the one before ten times
TRAPS = {
    "a place far away": b"\x80\x02}r\xff\xff\xff\xff.",
    "a place far away, in text": b"}p99999999999\n.",
    "a terabyte": _ARRAY + b"(L1099511627776L\nS'b'\ntR.",
    "the type of arrays called": b"cnumpy\nndarray\n((L1099511627776L\ntS'u1'\ntR.",
    "an object of the type": b"\x80\x02cnumpy\nndarray\n((L1099511627776L\ntS'u1'\nt\x81.",
    "bytes that are not there": b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00.",
    "a frame that is not there": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "brackets without an end": b"(" * 100_000,
    "nothing": b"",
    "a shape with no numbers": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(\x8a\x08"
    + _HUGE
    + b"tU\x01btR.",
    "a list of a thousand million": b"\x80\x02}(U\x04data" + _LISTS + b"U\x06labels]u.",
    "labels of a thousand million": python2_pickle({"data": _rows(1, 0)})[:-2] + b"U\x06labels" + _LISTS + b"u.",
}


@pytest.mark.parametrize("name", TRAPS)
def test_traps_are_refused_before_there_is_room_for_them(tmp_path, name):
    _write_cifar10(tmp_path / "cifar10")
    (tmp_path / "cifar10/test_batch").write_bytes(TRAPS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="test_batch") as caught:
        load_cifar10(tmp_path, "test")
    assert str(caught.value).isprintable() and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    "content",
    [
        {"data": [0] * 3072, "labels": [0]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": ["cat"]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": [[0]]},
        {"data": np.zeros((1, 3072), np.float32), "labels": [0]},
        {"data": np.zeros((0, 3072), np.uint8), "labels": []},
        {"data": np.uint8(3), "labels": [0]},
        {"data": np.zeros((), np.uint8), "labels": []},
    ],
)
def test_contents_of_another_kind_are_named(tmp_path, content):
    _write_cifar10(tmp_path / "cifar10")
    (tmp_path / "cifar10/test_batch").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(ValueError, match=r"test_batch|cifar10: holds no images") as caught:
        load_cifar10(tmp_path, "test")
    assert str(caught.value).isprintable()


def test_class_names_of_another_kind_are_named(tmp_path):
    _write_cifar10(tmp_path / "cifar10")
    (tmp_path / "cifar10/batches.meta").write_bytes(pickle.dumps({"label_names": 7}, 2))
    with pytest.raises(ValueError, match=r"batches\.meta: its 'label_names' are no list of names"):
        load_cifar10(tmp_path, "test")
