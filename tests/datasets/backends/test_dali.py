"""DALI's own concerns: clear errors without it or without a GPU, files that only DALI refuses, the GPU decoder."""

import importlib.util

import numpy as np
import pytest
import torch

from pycls.datasets.backends import dali as dali_backend
from pycls.datasets.backends.base import BackendOptions
from pycls.datasets.backends.dali import DaliBackend
from pycls.datasets.backends.dali_pipeline import DaliPipeline, build_feed, check_dali
from pycls.datasets.transforms.interpolation import Filter
from tests.helpers.backends import CPU, VIEWS, draw, make_backend, make_view


def _build_dali(samples, decoder, device=CPU, view=None):
    view = view or make_view(size=64)
    options = BackendOptions(num_workers=2, prefetch=2, pin_memory=False, device=device, max_batch=32)
    return DaliBackend(samples, view, options, decoder)


def test_without_dali_the_error_says_how_to_install_it(photographs, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "nvidia.dali" else find(name))
    with pytest.raises(ValueError, match=r"dali_cpu.*pip install 'nvidia-dali-cuda130"):
        _build_dali(photographs, "cpu")


@pytest.mark.dali
def test_the_gpu_decoder_needs_a_cuda_device(photographs):
    pytest.importorskip("nvidia.dali")
    with pytest.raises(ValueError, match=r"dali_gpu.*'cpu'.*'dali_cpu', 'custom' or 'torch'"):
        _build_dali(photographs, "gpu")


@pytest.mark.dali
def test_when_dali_fails_on_no_file_it_is_an_error_with_the_names_and_not_the_end(photographs, monkeypatch):
    backend = make_backend("dali_cpu", photographs, make_view(size=64))
    whole = backend._pipeline.receive
    monkeypatch.setattr(backend._pipeline, "receive", lambda: [whole(), _fail()][1])
    with pytest.raises(RuntimeError, match=r"DALI failed.*jpeg_420\.JPEG"):
        draw(backend, 0, [[0, 1], [2]])
    assert draw(backend, 0, [[0, 1], [2]]).shape == (3, 64, 64, 3)
    backend.close()


@pytest.mark.dali
def test_a_file_that_only_dali_refuses_is_shown_by_pillow_and_named(photographs, monkeypatch, caplog):
    pytest.importorskip("nvidia.dali")
    caplog.set_level("WARNING", "pycls")
    hated = photographs.read(1)

    class Picky(DaliPipeline):
        def send(self, feed):
            self.is_hated = [*getattr(self, "is_hated", []), any(file.tobytes() == hated for file in feed.data)]
            super().send(feed)

        def receive(self):
            batch = super().receive()
            return _fail() if getattr(self, "is_hated", [False]).pop(0) else batch

    batches = [[0], [1, 2], [3, 1], [4, 5]]
    plain = make_backend("dali_cpu", photographs, make_view(size=64))
    expected = draw(plain, 0, batches).astype(float)
    plain.close()
    monkeypatch.setattr(dali_backend, "DaliPipeline", Picky)
    backend = make_backend("dali_cpu", photographs, make_view(size=64))
    first, again = (draw(backend, 0, batches) for _ in range(2))
    backend.close()
    assert (first == again).all()
    shown_by_pillow = [1, 4]
    assert 0 < np.abs(first[shown_by_pillow] - expected[shown_by_pillow]).mean() < 0.3
    others = [0, 2, 3, 5, 6]
    assert (first[others] == expected[others]).all()  # those that were inside the broken pipeline too
    assert caplog.text.count("DALI refuses") == 1 and "jpeg_422.JPEG" in caplog.text


def _fail():
    raise RuntimeError("some operator")


@pytest.mark.dali
@pytest.mark.parametrize(("kind", "reach"), [(Filter.BILINEAR, 1), (Filter.BICUBIC, 2)])
def test_feed_regions_hold_what_the_filter_sees_and_stay_inside_the_image(kind, reach):
    view = make_view(train=False)
    boxes = np.array([[10.3, 0.2, 224.9, 260.1], [0.0, 5.5, 300.0, 280.0]])
    sizes = np.array([[240.0, 262.0], [300.0, 290.0]])
    feed = build_feed([b"a", b"b"], sizes, boxes, np.array([False, True]), np.full(2, kind, np.uint8), view)
    assert (feed.start >= 0).all() and (feed.start + feed.shape <= sizes).all()
    seen = reach * np.maximum(boxes[:, 2:] / view.size, 1)  # by the outermost pixels, around the box
    assert (feed.start <= np.maximum(boxes[:, :2] - seen, 0)).all()
    assert (feed.start + feed.shape >= np.minimum(boxes[:, :2] + boxes[:, 2:] + seen, sizes)).all()
    edges = np.concatenate([feed.roi_start, feed.roi_end], axis=1) + np.tile(feed.start, 2)
    ends = boxes[:, :2] + boxes[:, 2:]
    assert np.allclose(edges[0], [*boxes[0, :2], *ends[0]], atol=1e-4)
    assert np.allclose(
        edges[1], [boxes[1, 0], ends[1, 1], ends[1, 0], boxes[1, 1]], atol=1e-4
    )  # left and right swapped


@pytest.mark.gpu
@pytest.mark.dali
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_the_gpu_decoder_agrees_with_the_custom_backend(photographs, view):
    pytest.importorskip("nvidia.dali")
    backend = _build_dali(photographs, "gpu", torch.device("cuda"), view)
    batches = [np.arange(len(photographs))[start : start + 8] for start in (0, 8, 16)]
    shown = torch.cat([batch.cpu() for batch in backend.batches(0, batches)]).numpy().astype(float)
    custom = make_backend("custom", photographs, view)
    difference = np.abs(shown - draw(custom, 0, batches)).mean(axis=(1, 2, 3))
    # nvJPEG's arithmetic adds to the resize's difference, so that the limits are wider than those of the CPU.
    assert difference.mean() < 0.5 and difference.max() < 1.5
    backend.close()
    custom.close()


def test_a_dali_that_is_too_old_is_named(monkeypatch):
    dali = pytest.importorskip("nvidia.dali")
    monkeypatch.setattr(dali, "__version__", "1.53.0")
    with pytest.raises(ValueError, match=r"'dali_cpu' needs a newer NVIDIA DALI than 1\.53\.0: pip install"):
        check_dali("dali_cpu", torch.device("cpu"))
