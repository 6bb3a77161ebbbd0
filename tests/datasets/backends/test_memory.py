"""Crops and flips of array data against a slow reference and against recorded runs of pycls's CIFAR function."""

import numpy as np
import pytest
import torch

from pycls.datasets.backends import memory as memory_backend
from pycls.datasets.backends.memory import MemoryBackend, offsets
from pycls.datasets.cifar import MEAN, STD
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.transforms.view import View, flips
from tests.helpers.crop_records import RECORDS, probe, synth

CPU = torch.device("cpu")


def _view(style="torchvision", size=8, padding=2, train=True, flip_prob=0.5, border=(0, 0, 0)):
    return View(train, size, size, (1, 1), (1, 1), flip_prob, style, True, 3, padding, border)


def _samples(num=40, size=8, channels=3):
    images = np.random.default_rng(0).integers(1, 256, (num, size, size, channels), dtype=np.uint8)
    return ArraySamples(images, np.zeros(num, dtype=np.int64), ("x",), "test")


def _batches(samples, view, epoch, *index_batches):
    return [batch.numpy() for batch in MemoryBackend(samples, view, device=CPU).batches(epoch, index_batches)]


def _slow(image, view, top, left, flip):
    """Flip, pad and crop one image."""
    image = image[:, ::-1] if flip else image
    padded = np.empty((view.size + 2 * view.padding,) * 2 + (3,), dtype=np.uint8)
    padded[:] = view.border[: image.shape[2]]
    padded[view.padding : -view.padding, view.padding : -view.padding] = image
    return padded[top : top + view.size, left : left + view.size]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("style, border", [("torchvision", (0, 0, 0)), ("pycls", (7, 7, 7))])
def test_batches_equal_a_slow_reference(style, border, channels):
    view, samples, indices = _view(style, border=border), _samples(channels=channels), np.array([5, 0, 39, 5, 17])
    (batch,) = _batches(samples, view, 2, indices)
    plan = zip(indices, *offsets(view, 2, indices), flips(view, 2, indices), strict=True)
    assert batch.shape == (5, 8, 8, 3) and batch.dtype == np.uint8
    for shown, (index, top, left, flip) in zip(batch, plan, strict=True):
        np.testing.assert_array_equal(shown, _slow(samples.images[index], view, top, left, flip))


@pytest.mark.parametrize("style, last", [("torchvision", 8), ("pycls", 7)])
def test_offsets_are_uniform(style, last):
    top, left = offsets(_view(style, padding=4), 0, np.arange(20000))
    for offset in (top, left):
        counts = np.bincount(offset)
        assert len(counts) == last + 1 and abs(counts / counts.mean() - 1).max() < 0.1
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.03


def test_the_center_is_the_whole_image_in_every_epoch():
    samples, indices = _samples(), np.arange(40)
    for epoch in (0, 1):
        (shown,) = _batches(samples, _view("center", flip_prob=0.0), epoch, indices)
        assert (shown == samples.images).all()
    (mirrored,) = _batches(samples, _view("center", flip_prob=1.0), 0, indices)
    assert (mirrored == samples.images[:, :, ::-1]).all()


def test_eval_shows_the_images_as_they_are():
    samples, indices = _samples(channels=1), np.array([3, 4])
    (batch,) = _batches(samples, _view(train=False), 0, indices)
    np.testing.assert_array_equal(batch, samples.images[indices].repeat(3, axis=3))


def test_an_image_does_not_depend_on_its_batch_but_on_the_epoch():
    samples, view, indices = _samples(), _view(), np.arange(40)
    (whole,) = _batches(samples, view, 1, indices)
    parts = _batches(samples, view, 1, indices[30:], indices[:30])
    np.testing.assert_array_equal(np.concatenate([parts[1], parts[0]]), whole)
    assert (_batches(samples, view, 2, indices)[0] != whole).any()


def test_no_padding_leaves_only_flips():
    samples = _samples()
    for style in ("torchvision", "pycls"):
        (batch,) = _batches(samples, _view(style, padding=0, flip_prob=0.0), 0, np.arange(40))
        np.testing.assert_array_equal(batch, samples.images)


@pytest.mark.parametrize("name", [name for name in RECORDS["cifar10"] if name.startswith("train")])
def test_pycls_style_equals_recorded_runs(name, monkeypatch):
    case = RECORDS["cifar10"][name]
    flip, top, left = (draw[2] for draw in case["draws"])
    monkeypatch.setattr(memory_backend, "offsets", lambda *_: np.array([[top], [left]]))
    monkeypatch.setattr(memory_backend, "flips", lambda *_: np.array([flip < 0.5]))
    border = tuple(round(255 * value) for value in MEAN)
    samples = ArraySamples(synth(32, 32)[None], np.array([0]), ("x",), "test")
    (batch,) = MemoryBackend(samples, _view("pycls", 32, 4, border=border), device=CPU).batches(0, [np.array([0])])
    image = Normalize(MEAN, STD, CPU)(batch)[0].permute(1, 2, 0).numpy()
    # pycls pads with the exact mean; our border is that mean rounded to a whole gray level, 0.3 / 63 off at most.
    np.testing.assert_allclose(probe(image), case["probe_5x5"], atol=0.005)
