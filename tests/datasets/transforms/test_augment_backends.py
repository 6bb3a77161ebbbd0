"""Every backend augments alike: the squares of the plain backend, passed through the same operations."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from pycls.core.config import load_cfg
from pycls.datasets.backends.memory import MemoryBackend
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.transforms.augment import OP_SETS, build_augmentation
from pycls.datasets.transforms.view import View
from tests.helpers.backends import CPU, NAMES, draw, make_backend, make_view
from tests.helpers.photographs import encode, load, write_files

SIZE = 48
KEYS = ["TRAIN.IM_SIZE", str(SIZE), "TRAIN.AUGMENT", "RandAugment_N2_M15", "TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.1]"]
AUGMENTATION = build_augmentation(load_cfg(None, KEYS))
PLAIN = make_view(size=SIZE, resize=56)
VIEW = replace(PLAIN, augment=AUGMENTATION)
BATCHES = [[3, 1, 4, 15], [9, 2, 6], [5, 22, 0, 7, 21]]
INDICES = np.concatenate(BATCHES)


def _expected(plain, epoch):
    squares = plain.copy()
    AUGMENTATION(squares, VIEW.seed, epoch, INDICES)
    assert (squares != plain).any(axis=(1, 2, 3)).mean() > 0.9
    return squares


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_file_backends_show_the_plain_squares_augmented(name, num_workers, photographs):
    plain, augmented = (make_backend(name, photographs, view, num_workers) for view in (PLAIN, VIEW))
    for epoch in (0, 5):
        assert np.array_equal(draw(augmented, epoch, BATCHES), _expected(draw(plain, epoch, BATCHES), epoch))
    assert np.array_equal(draw(augmented, 5, BATCHES[1:]), draw(augmented, 5, BATCHES)[4:])  # a start in mid-epoch
    plain.close()
    augmented.close()


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_never_augmented(name, photographs):
    plain, view = (make_backend(name, photographs, replace(v, train=False)) for v in (PLAIN, VIEW))
    assert np.array_equal(draw(view, 0, BATCHES), draw(plain, 0, BATCHES))
    plain.close()
    view.close()


def test_child_processes_augment_too(photographs):
    threads = make_backend("custom", photographs, VIEW, 2)
    processes = make_backend("custom", photographs, VIEW, 1, worker_mode="processes")
    assert np.array_equal(draw(processes, 1, BATCHES), draw(threads, 1, BATCHES))
    threads.close()
    processes.close()


@pytest.mark.dali
def test_dali_still_shows_the_batches_before_a_broken_file(tmp_path):
    photo = encode(load("coffee.png", (90, 70)))
    hidden = photo.replace(b"\xff\xdb", b"\xff\xfe")  # no quantization tables: DALI itself fails
    for number, broken in enumerate((photo[:99], hidden)):
        samples = write_files(tmp_path / str(number), {"a.JPEG": photo, "b.JPEG": photo, "broken.JPEG": broken})
        backend = make_backend("dali_cpu", samples, VIEW)
        batches = backend.batches(0, [np.array([0]), np.array([1]), np.array([2])])
        assert [len(next(batches)), len(next(batches))] == [1, 1]
        with pytest.raises(ValueError, match=r"broken\.JPEG"):
            next(batches)
        assert draw(backend, 0, [[0], [1]]).shape == (2, SIZE, SIZE, 3)
        backend.close()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_backend_augments_and_keeps_its_images(channels):
    images = np.random.default_rng(0).integers(0, 256, (23, SIZE, SIZE, channels), dtype=np.uint8)
    samples = ArraySamples(images, np.zeros(23, np.int64), ("one",), "noise")
    plain, augmented = (MemoryBackend(samples, replace(view, padding=4), device=CPU) for view in (PLAIN, VIEW))
    for epoch in (0, 5, 0):
        assert np.array_equal(draw(augmented, epoch, BATCHES), _expected(draw(plain, epoch, BATCHES), epoch))
    test = MemoryBackend(samples, replace(VIEW, train=False), device=CPU)
    assert np.array_equal(draw(test, 0, BATCHES), np.broadcast_to(images[INDICES], (12, SIZE, SIZE, 3)))
    augmented.close()


@pytest.mark.gpu
@pytest.mark.dali
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_dali_gpu_shows_its_plain_squares_augmented(photographs):
    options = {"device": torch.device("cuda"), "decoder": "gpu"}
    plain, augmented = (make_backend("dali_cpu", photographs, view, 2, **options) for view in (PLAIN, VIEW))
    assert np.array_equal(draw(augmented, 0, BATCHES), _expected(draw(plain, 0, BATCHES), 0))
    plain.close()
    augmented.close()


@pytest.mark.dali
def test_an_epoch_left_open_ends_cleanly(photographs):
    backend = make_backend("dali_cpu", photographs, VIEW)
    for _ in backend.batches(0, [np.array(batch) for batch in BATCHES]):
        break
    assert draw(backend, 1, BATCHES).shape == (12, SIZE, SIZE, 3)
    backend.close()


def test_an_augmentation_depends_on_seed_epoch_and_sample_only():
    squares = np.repeat(np.asarray(load("coffee.png", (SIZE, SIZE)))[None], 12, axis=0)
    results = {}
    for seed, epoch in ((1, 0), (1, 1), (2, 0)):
        results[seed, epoch] = squares.copy()
        AUGMENTATION(results[seed, epoch], seed, epoch, INDICES)
    alone = squares[:1].copy()
    AUGMENTATION(alone, 1, 0, INDICES[7:8])
    assert np.array_equal(alone[0], results[1, 0][7])
    for other in ((1, 1), (2, 0)):
        assert (results[1, 0] != results[other]).any(axis=(1, 2, 3)).mean() > 0.9
    assert len({square.tobytes() for square in results[1, 0]}) == 12


def test_global_random_numbers_are_left_alone(photographs):
    before = torch.get_rng_state()
    augmix = build_augmentation(load_cfg(None, ["TRAIN.AUGMENT", "AugMix", "TRAIN.IM_SIZE", str(SIZE)]))
    draw(make_backend("custom", photographs, replace(VIEW, augment=augmix), 0), 0, BATCHES)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("ops", "name"), [(ops, name) for ops, table in OP_SETS.items() for name in table])
def test_every_policy_changes_photographs_and_travels_to_processes(ops, name, photographs):
    name += "_N2_M1" if name == "RandAugment" else ""
    keys = ["TRAIN.AUGMENT", name, "TRAIN.AUGMENT_OPS", ops, "TRAIN.IM_SIZE", str(SIZE), "TRAIN.DATASET", "imagenet"]
    cfg = load_cfg(None, keys)
    view: View = pickle.loads(pickle.dumps(replace(PLAIN, augment=build_augmentation(cfg))))
    plain, augmented = (make_backend("custom", photographs, v, 0) for v in (PLAIN, view))
    changed = (draw(augmented, 0, BATCHES) != draw(plain, 0, BATCHES)).any(axis=(1, 2, 3))
    assert changed.mean() > 0.2  # magnitude 1 of 30 leaves many as they are
