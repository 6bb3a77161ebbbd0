"""Order, shares, restarts and waiting time of a Loader, with a backend whose pixels are the sample's index."""

from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pycls.datasets import loader as loader_module
from pycls.datasets.loader import Loader
from pycls.datasets.prefetcher import move_batches
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.normalize import Normalize, lighting_shift
from pycls.datasets.transforms.view import View, lighting

CPU = torch.device("cpu")
NUM = 103


class IndexBackend:
    """Show each sample as one color (its index, its epoch, 0), in two buffers used in turn, as the contract allows."""

    failures = ()

    def __init__(self):
        self.num_open, self.closed = 0, False
        self.buffers = torch.zeros(2, NUM, 2, 2, 3, dtype=torch.uint8)

    def batches(self, epoch, index_batches):
        self.num_open += 1
        try:
            for number, indices in enumerate(index_batches):
                images = self.buffers[number % 2, : len(indices)]
                images[..., 0], images[..., 1] = torch.from_numpy(indices)[:, None, None], epoch
                yield images
        finally:
            self.num_open -= 1

    def close(self):
        self.closed = True


def _loader(train=True, batch_size=12, rank=0, world_size=1, backend=None, lighting_std=0.0):
    view = View(train, 2, 2, (1, 1), (1, 1), 0.0, "torchvision", True, seed=5)
    samples = ArraySamples(np.zeros((NUM, 2, 2, 3), np.uint8), np.arange(NUM) % 7, tuple("abcdefg"), "test")
    return Loader(
        samples,
        view,
        backend or IndexBackend(),
        Normalize((0, 0, 0), (1 / 255,) * 3, CPU),  # keeps the gray levels
        batch_size=batch_size,
        device=CPU,
        lighting_std=lighting_std,
        rank=rank,
        world_size=world_size,
    )


def _shown(batches):
    return [batch.images[:, 0, 0, 0].int().tolist() for batch in batches]


def _joined(lists):
    return list(chain.from_iterable(lists))


def test_training_follows_the_epochs_order_and_drops_the_tail():
    loader = _loader()
    for epoch in (0, 1):
        batches = list(loader.epoch(epoch))
        assert len(batches) == len(loader) == 8
        assert _joined(_shown(batches)) == epoch_order(5, epoch, NUM)[:96].tolist()


def test_images_labels_and_indices_belong_together():
    for batch in _loader().epoch(3):
        assert batch.images.shape == (12, 3, 2, 2) and batch.images.dtype == torch.float32
        assert batch.images[:, 0, 0, 0].int().tolist() == batch.indices.tolist()
        assert torch.equal(batch.labels, batch.indices % 7) and batch.labels.dtype == torch.int64
        assert (batch.images[:, 1] == 3).all()


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_the_global_batches_are_those_of_one_process(world_size):
    alone = _shown(_loader().epoch(2))
    ranks = [_shown(_loader(rank=rank, world_size=world_size).epoch(2)) for rank in range(world_size)]
    assert [_joined(parts) for parts in zip(*ranks, strict=True)] == alone


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_evaluation_shows_each_image_once(world_size):
    loaders = [_loader(train=False, rank=rank, world_size=world_size) for rank in range(world_size)]
    shown = [_shown(loader.epoch(0)) for loader in loaders]
    assert [len(loader) for loader in loaders] == [len(batches) for batches in shown]
    assert _joined(_joined(shown)) == list(range(NUM))


@pytest.mark.parametrize("train", [True, False])
def test_an_epoch_starts_at_any_step(train):
    loader = _loader(train)
    whole = _shown(loader.epoch(1))
    for step in (0, 1, 5, len(loader)):
        assert _shown(loader.epoch(1, start_step=step)) == whole[step:]


def test_the_order_of_a_long_list_is_there_before_its_epoch(monkeypatch):
    computed, expected = [], [_shown(_loader().epoch(epoch)) for epoch in range(3)]
    order = loader_module.repeated_order
    monkeypatch.setattr(loader_module, "_MANY", NUM)
    monkeypatch.setattr(
        loader_module, "repeated_order", lambda seed, epoch, *more: computed.append(epoch) or order(seed, epoch, *more)
    )
    loader = _loader()
    for epoch in range(3):
        assert _shown(loader.epoch(epoch)) == expected[epoch]
        loader._ahead._known[epoch + 1].result()
        assert _shown(loader.epoch(epoch, start_step=5)) == expected[epoch][5:]  # again, as precise batch norm does
        assert computed == list(range(epoch + 2)), "each order once, and the next one's by now"
    loader.close()


def test_an_epoch_may_be_abandoned():
    backend = IndexBackend()
    loader = _loader(backend=backend)
    whole = _shown(loader.epoch(0))
    abandoned = loader.epoch(0)
    next(abandoned)
    abandoned.close()
    assert backend.num_open == 0
    for _ in loader.epoch(0):
        break
    assert _shown(loader.epoch(0)) == whole
    loader.close()
    assert backend.closed


def test_lighting_is_the_plans_and_only_in_training():
    (batch, *_) = _loader(lighting_std=0.1).epoch(4)
    shift = 255 * lighting_shift(lighting(5, 0.1, 4, batch.indices.numpy()))
    np.testing.assert_allclose(batch.images[:, 2, 0, 0], shift[:, 2], atol=1e-4)  # that channel is 0 otherwise
    (batch, *_) = _loader(train=False, lighting_std=0.1).epoch(4)
    assert (batch.images[:, 2] == 0).all()


def test_only_waiting_for_the_backend_is_counted(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(loader_module.time, "perf_counter", lambda: clock.now)

    class SlowBackend(IndexBackend):
        def batches(self, epoch, index_batches):
            for images in super().batches(epoch, index_batches):
                clock.now += 3
                yield images

    loader = _loader(backend=SlowBackend())
    for _ in loader.epoch(0):
        clock.now += 100  # the consumer's own time
    assert loader.reset_wait() == 8 * 3
    assert loader.wait_sec == 0


def test_a_missing_batch_is_not_passed_over():
    class ShortBackend(IndexBackend):
        def batches(self, epoch, index_batches):
            return super().batches(epoch, index_batches[:-1])

    with pytest.raises(RuntimeError):
        list(_loader(backend=ShortBackend()).epoch(0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_copies_on_the_side_stream_arrive_whole():
    device, buffers = torch.device("cuda"), torch.zeros(2, 1 << 22, dtype=torch.uint8).pin_memory()

    def batches():
        for number in range(50):
            yield buffers[number % 2].fill_(number), torch.tensor([number])

    for number, (pixels, label) in enumerate(move_batches(batches(), device, pin=True)):
        assert pixels.is_cuda and label.item() == number
        assert (pixels == number).all()
