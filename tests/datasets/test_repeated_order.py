"""Repeated augmentation: which views an epoch shows, and that they are different views of the same image."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.backends.memory import MemoryBackend
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.samplers import epoch_order, repeated_order
from pycls.datasets.transforms.view import build_view
from tests.helpers.runs import overrides, tiny_cfg

CPU = torch.device("cpu")


def test_an_epoch_keeps_its_length_and_shows_each_image_as_often_as_asked():
    order = repeated_order(1, 4, 100, 3, 10)
    images, times = np.unique(order % 100, return_counts=True)
    assert len(order) == 100 and len(np.unique(order)) == 100 and sorted(times) == [1, *[3] * 33]
    assert set(images) == set(epoch_order(1, 4, 100)[:34])
    assert np.array_equal(repeated_order(1, 4, 100, 1, 10), epoch_order(1, 4, 100))


def test_the_processes_of_a_batch_get_different_views_of_an_image():
    order = repeated_order(1, 4, 3072, 3, 256)
    assert np.array_equal(np.sort(order[:255] % 3072)[::3], np.sort(order[:85] % 3072))
    for batch in order.reshape(-1, 4, 64) % 3072:
        assert all(len(set(part)) == 64 for part in batch)
    assert all(len(set(batch % 3072)) < 90 for batch in order.reshape(-1, 256))


def first_batch(tmp_path, **keys):
    loader = build_loader(tiny_cfg(tmp_path, **keys), "train", CPU)
    with contextlib.closing(loader), contextlib.closing(loader.epoch(0)) as batches:
        batch = next(batches)
        names = loader.names(0, 0)
        return len(loader), batch.images.clone(), batch.labels, names


@pytest.mark.parametrize("backend", ["custom", "torch"])
def test_views_of_an_image_share_label_and_name_and_not_the_crop(tmp_path, backend):
    keys = {"DATA_LOADER__BACKEND": backend, "DATA_LOADER__NUM_WORKERS": 0}
    plain_steps, plain, *_ = first_batch(tmp_path, **keys)
    steps, images, labels, names = first_batch(tmp_path, TRAIN__REPEATS=3, **keys)
    assert steps == plain_steps and names[:32] == names[32:64] == names[64:] and len(set(names)) == 32
    assert torch.equal(labels[:32], labels[32:64]) and torch.equal(images[:32], plain[:32])
    same = [torch.equal(a, b) for a, b in zip(images[:32], images[32:64], strict=True)]
    assert sum(same) < 4, "tiny digits have few different crops"


def test_array_data_repeats_too():
    """Gray squares that tell their number, and where they were cut: a crop of 4 px of padding moves the pixel."""
    images = np.zeros((96, 8, 8, 1), np.uint8)
    images[:, 4, 4, 0] = np.arange(1, 97)
    samples = ArraySamples(images, np.zeros(96, np.int64), ("zero",), "noughts")
    view = replace(build_view(load_cfg(None, ["TRAIN.IM_SIZE", "8"]), "train"), padding=4)
    backend = MemoryBackend(samples, view, device=CPU)
    (once,), (again,) = (list(backend.batches(0, [np.arange(96) + shift])) for shift in (0, 96))
    shown = [(a.max(), b.max()) for a, b in zip(once.numpy(), again.numpy(), strict=True)]
    assert {a == b for a, b in shown if a and b} == {True}
    assert sum(torch.equal(a, b) for a, b in zip(once, again, strict=True)) < 10


def test_the_views_of_a_bad_image_are_those_of_its_substitute(tmp_path):
    folder, rng = tmp_path / "train/a", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / f"{number}.png")
    (folder / "bad.png").write_text("bad")
    words = {"TRAIN.DATASET": "imagenet", "DATA_DIR": tmp_path, "MODEL.NUM_CLASSES": 1, "TRAIN.BATCH_SIZE": 4}
    words |= {"TRAIN.IM_SIZE": 16, "TRAIN.REPEATS": 3, "DATA_LOADER.ON_BAD_IMAGE": "skip"}
    loader = build_loader(load_cfg(None, overrides(words)), "train", CPU)
    with contextlib.closing(loader):
        batches = [batch for epoch in range(16) for batch in loader.epoch(epoch)]
    pairs = [[(f.index, f.substitute) for f in batch.failures] for batch in batches]
    whole, batch = next((p, batch) for p, batch in zip(pairs, batches, strict=True) if len(p) == 3)
    substituted = batch.images[np.isin(batch.indices.numpy(), [good for _, good in whole])]
    assert [index for index, _ in whole] == [3, 7, 11]
    assert len({good % 4 for _, good in whole}) == 1 and [good // 4 for _, good in whole] == [0, 1, 2]
    assert len(substituted.flatten(1).unique(dim=0)) == 3


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["TRAIN.REPEATS", "0"], r"TRAIN.REPEATS must be at least 1"),
        (["TRAIN.REPEATS", "2", "TRAIN.CLASS_BALANCE", "sampler"], "TRAIN.REPEATS 2 and TRAIN.CLASS_BALANCE sampler"),
    ],
)
def test_what_cannot_be_is_refused(words, found):
    with pytest.raises(ValueError, match=found):
        load_cfg(None, words)
