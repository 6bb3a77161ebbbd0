"""Every number of processes sees the same global batches, and evaluates each image once."""

import numpy as np
import pytest

from pycls.datasets.samplers import evaluation_batches, training_batches

WORLDS = [1, 2, 3, 4]


@pytest.mark.parametrize("world_size", WORLDS)
def test_the_ranks_parts_make_up_the_global_batch_in_order(world_size):
    order = np.random.default_rng(0).permutation(100)
    parts = [training_batches(order, 24, rank, world_size) for rank in range(world_size)]
    assert {len(part) for part in parts} == {4}  # the tail of 4 images is dropped
    for step in range(4):
        together = np.concatenate([part[step] for part in parts])
        np.testing.assert_array_equal(together, order[24 * step : 24 * step + 24])


def test_training_continues_at_any_step():
    order = np.arange(100)
    whole, rest = training_batches(order, 24, 1, 2), training_batches(order, 24, 1, 2, start_step=3)
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(whole[3:]))
    assert training_batches(order, 24, 1, 2, start_step=4) == []


@pytest.mark.parametrize("world_size", WORLDS)
@pytest.mark.parametrize("num_samples", [0, 1, 2, 3, 10, 101])
def test_evaluation_shows_each_image_once(num_samples, world_size):
    shares = [evaluation_batches(num_samples, 12, rank, world_size) for rank in range(world_size)]
    batches = [batch for share in shares for batch in share]
    shown = np.concatenate([*batches, np.array([], dtype=np.int64)])
    np.testing.assert_array_equal(shown, np.arange(num_samples))
    assert all(0 < len(batch) <= 12 // world_size for batch in batches)


def test_evaluation_continues_at_any_step():
    whole, rest = evaluation_batches(50, 12, 1, 2), evaluation_batches(50, 12, 1, 2, start_step=2)
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(whole[2:]))
