"""Memory is lent again when nobody refers to it, and never before."""

import numpy as np
import torch

from pycls.datasets.transforms import normalize
from pycls.datasets.transforms.normalize import BufferPool, Normalize

SHAPE = (2, 3, 4, 4)


def test_memory_comes_back_with_the_last_tensor_that_uses_it():
    memory = BufferPool()
    first = memory.empty(SHAPE)
    address, view = first.data_ptr(), first[1:, :, ::2]
    del first
    second = memory.empty(SHAPE)
    assert second.data_ptr() != address, "a view still uses it"
    del view
    assert memory.empty(SHAPE).data_ptr() == address


def test_what_a_graph_or_numpy_holds_is_not_lent():
    memory, weight = BufferPool(), torch.ones(SHAPE, requires_grad=True)
    images = memory.empty(SHAPE).fill_(3)
    loss, array = (images * weight).sum(), memory.empty(SHAPE).fill_(5).numpy()
    del images
    for _ in range(3):
        memory.empty(SHAPE).fill_(7)
    loss.backward()
    assert (weight.grad == 3).all() and (array == 5).all()


def test_few_free_blocks_are_kept():
    memory = BufferPool()
    lent = [memory.empty(SHAPE) for _ in range(50)]
    del lent
    assert sum(len(blocks) for blocks in memory._free.values()) < 10


def test_all_batches_of_an_epoch_may_be_kept(monkeypatch):
    monkeypatch.setattr(normalize, "_LARGE", 0)
    finish = Normalize((0.0,) * 3, (1.0,) * 3, torch.device("cpu"))
    batches = [finish(torch.full((2, 4, 4, 3), number, dtype=torch.uint8)) for number in range(20)]
    np.testing.assert_allclose([batch.mean() for batch in batches], np.arange(20) / 255, rtol=1e-6)
