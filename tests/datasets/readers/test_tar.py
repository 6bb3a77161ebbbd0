"""Packed samples are those of the folder: names, bytes, order, epochs and pixels, in every backend; damage is named."""

import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.imagenet import build_imagenet
from pycls.datasets.readers import tar_index
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.tar import PackedSamples, load_packed
from pycls.datasets.readers.tar_index import load_index
from tests.helpers.backends import NAMES, draw, make_backend, make_view
from tests.helpers.trees import SPLITS, pack, write_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def folder(data):
    return load_folder(data, "train")


@pytest.fixture(scope="module")
def target(data, tmp_path_factory):
    target = tmp_path_factory.mktemp("packed")
    for split in SPLITS:
        pack(data, target, split)
    return target


@pytest.fixture
def packed(target):
    return load_packed(target / "train.index")


def _same(samples, others, order=None):
    order = range(len(others)) if order is None else order
    assert len(samples) == len(order) and samples.classes == others.classes
    assert samples.labels.tolist() == others.labels[list(order)].tolist() and samples.labels.dtype == np.int64
    for here, there in enumerate(order):
        assert samples.read(here) == others.read(there) and samples.key(here) == f"train/{others.paths[there]}"


def test_they_are_the_samples_of_the_folder(packed, folder, target):
    _same(packed, folder)
    shard, path = packed.name(3).split(".tar/")
    assert shard.startswith(str(target / "train-0000")) and path == folder.paths[3]


def test_some_can_be_left_out(packed, folder):
    keep = np.ones(len(folder), bool)
    keep[[0, 5, 6, -1]] = False
    rest, kept = packed.select(keep), np.flatnonzero(keep)
    _same(rest, folder, kept)
    _same(pickle.loads(pickle.dumps(rest.select(np.arange(len(rest)) > 0))), folder, kept[1:])
    _same(packed, folder)


def test_they_travel_to_workers_as_a_path(packed, folder):
    assert len(pickle.dumps(packed)) < 500
    _same(pickle.loads(pickle.dumps(packed)), folder)


def test_threads_and_forks_read_at_once(packed, folder):
    expected = [folder.read(i) for i in range(len(folder))]
    child = os.fork()
    if child == 0:  # shards that the parent has opened, or opens now, are none of its business
        os._exit([packed.read(i) for i in range(len(packed))] != expected)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(packed.read, list(range(len(packed))) * 8)) == expected * 8
    assert os.waitpid(child, 0)[1] == 0


def test_few_files_stay_open(target, folder):
    code = f"""
import os, resource
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
from pycls.datasets.readers import tar
tar._most_open_files = lambda: 1
samples = tar.PackedSamples(Path({str(target / "train.index")!r}))
before = len(os.listdir("/proc/self/fd"))
for index in range(len(samples)):
    samples.read(index)
assert len(samples._index.shards) > 1
print(len(os.listdir("/proc/self/fd")) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_backends_show_the_same_pixels_as_from_the_folder(name, train, packed, folder):
    order = np.random.default_rng(3).permutation(len(folder))
    squares = []
    for samples in (packed, folder):
        backend = make_backend(name, samples, make_view(train, size=64, resize=72))
        squares.append(draw(backend, 1, np.array_split(order, 3)))
        backend.close()
    assert (squares[0] == squares[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_training_on_the_center_shows_what_evaluation_shows(name, packed, folder):
    """In every epoch, flips apart, from the folder as from packed files."""

    def squares(samples, view, epoch):
        backend = make_backend(name, samples, view, num_workers=0 if name == "torch" else 2)
        shown = draw(backend, epoch, [np.arange(len(samples))])
        backend.close()
        return shown

    wanted = squares(folder, make_view(False, size=64, resize=72), 0)
    center = {"size": 64, "resize": 72, "crop_style": "center"}
    for samples, epoch in ((folder, 3), (packed, 1)):
        assert (squares(samples, make_view(**center, flip_prob=0.0), epoch) == wanted).all()
        mirrored = squares(samples, make_view(**center, flip_prob=1.0), epoch)
        assert np.abs(mirrored[:, :, ::-1].astype(int) - wanted).max() <= (1 if "dali" in name else 0)


def _settings(root, *more):
    settings = [
        "DATA_DIR",
        str(root),
        "TRAIN.DATASET",
        "imagenet",
        "TEST.DATASET",
        "imagenet",
        "MODEL.NUM_CLASSES",
        "3",
    ]
    settings += ["TRAIN.BATCH_SIZE", "8", "TEST.BATCH_SIZE", "8", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "36"]
    return load_cfg(None, [*settings, "DATA_LOADER.NUM_WORKERS", "1", *more])


@pytest.mark.parametrize("mode", ["threads", "processes"])
@pytest.mark.parametrize("phase", ["train", "test"])
def test_data_dir_may_be_either(data, target, phase, mode):
    epochs = []
    for root in (data, target):
        loader = build_loader(_settings(root, "DATA_LOADER.WORKER_MODE", mode), phase, CPU)
        epochs.append([*loader.epoch(0), *loader.epoch(1)])
        loader.close()
    for here, there in zip(*epochs, strict=True):
        assert torch.equal(here.indices, there.indices) and torch.equal(here.labels, there.labels)
        assert torch.equal(here.images, there.images)


def test_data_below_imagenet_is_found(target, tmp_path):
    (tmp_path / "imagenet").symlink_to(target)
    assert build_imagenet(_settings(tmp_path), "test").classes == load_index(target / "val.index").classes


def test_a_split_that_is_there_twice_is_refused(data, target, tmp_path):
    shutil.copytree(target, tmp_path / "both")
    (tmp_path / "both" / "val").symlink_to(data / "val")
    with pytest.raises(ValueError, match=r"holds 'val' twice"):
        build_imagenet(_settings(tmp_path / "both"), "test")


@pytest.mark.parametrize("phase", ["train", "test"])
def test_one_split_may_be_packed_and_classes_are_compared(data, target, tmp_path, phase):
    shutil.copytree(target, tmp_path / "mixed", ignore=shutil.ignore_patterns("val*"))
    (tmp_path / "mixed" / "val").symlink_to(data / "val")
    assert len(build_imagenet(_settings(tmp_path / "mixed"), phase).classes) == 3
    (tmp_path / "mixed" / "val").unlink()
    (tmp_path / "mixed" / "val" / "cats").mkdir(parents=True)
    (tmp_path / "mixed" / "val" / "cats" / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"val lacks 2 classes that .*train\.index has: dogs\.v1, öl und essig"):
        build_imagenet(_settings(tmp_path / "mixed"), phase)


def test_a_resized_set_says_so(data, tmp_path, caplog):
    with caplog.at_level("INFO"):
        load_packed(pack(data, tmp_path, max_side=200))
    assert "images re-encoded: at most 200 px long, JPEG quality 90" in caplog.text


def _copy(target, tmp_path):
    return shutil.copytree(target, tmp_path / "copy") / "train.index"


def test_a_missing_or_cut_shard_is_named_before_training(target, tmp_path):
    index = _copy(target, tmp_path)
    shard = index.with_name("train-000001.tar")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"train-000001\.tar has \d+ bytes, but the index says \d+"):
        load_packed(index)
    shard.unlink()
    with pytest.raises(ValueError, match=r"train-000001\.tar is missing, but train\.index lists it"):
        load_packed(index)


@pytest.mark.parametrize("name", NAMES)
def test_damage_during_training_is_named(name, target, folder, tmp_path):
    index = _copy(target, tmp_path)
    found = load_index(index)
    image = found.images[4]
    file = index.with_name(found.shards[image["shard"]][0])
    content = bytearray(file.read_bytes())
    content[int(image["offset"]) + int(image["size"]) // 2] ^= 16
    file.write_bytes(content)
    backend = make_backend(name, load_packed(index), make_view(size=32, resize=36))
    with pytest.raises(ValueError, match=r"train-\d+\.tar/.*: the checksum of the packed image is wrong") as caught:
        draw(backend, 0, [[1, 4]])
    assert folder.paths[4] in str(caught.value) and "\n" not in str(caught.value)
    backend.close()


def test_a_shard_that_goes_away_during_training_is_named(target, tmp_path):
    samples = load_packed(_copy(target, tmp_path))
    for shard in (tmp_path / "copy").glob("train-*.tar"):
        shard.unlink()
    backend = make_backend("custom", samples, make_view(size=32, resize=36))
    with pytest.raises(ValueError, match=r"train-\d+\.tar/cats.*No such file"):
        draw(backend, 0, [[0]])
    backend.close()


def test_an_index_of_another_version_is_one_line(target, tmp_path, monkeypatch):
    index = _copy(target, tmp_path)
    monkeypatch.setattr(tar_index, "VERSION", 9)
    with pytest.raises(
        ValueError, match=r"packed index of version 2; this program reads pycls packed index 9: make it"
    ):
        PackedSamples(index)


def test_an_index_of_the_first_version_is_one_line(target, tmp_path):
    """It was one file."""
    index = _copy(target, tmp_path)
    shutil.rmtree(index)
    index.write_bytes(b"PYCLSMAP" + bytes(100))
    with pytest.raises(
        ValueError, match=r"train\.index is no pycls packed index that this program reads.*make it again"
    ):
        build_imagenet(_settings(index.parent), "train")
