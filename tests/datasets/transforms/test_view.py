"""Order, flips and lighting as functions of (seed, epoch, index) alone."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from pycls.core.config import load_cfg
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.view import View, boxes, build_view, eval_geometry, flips, lighting

VIEW = View(True, 224, 256, (0.08, 1.0), (0.75, 4 / 3), 0.5, "torchvision", True, seed=1)


def test_an_order_is_a_permutation_and_differs_by_epoch_and_seed():
    orders = [epoch_order(seed, epoch, 1001) for seed in (1, 2) for epoch in (0, 1, 2)]
    for order in orders:
        assert order.dtype == np.int64
        np.testing.assert_array_equal(np.sort(order), np.arange(1001))
    assert len({order.tobytes() for order in orders}) == 6
    np.testing.assert_array_equal(epoch_order(1, 0, 1001), orders[0])


def test_orders_shuffle_well():
    # A random permutation has on average one fixed point and no correlation with the sorted order.
    orders = np.stack([epoch_order(1, epoch, 500) for epoch in range(200)])
    assert 0.6 < (orders == np.arange(500)).sum(axis=1).mean() < 1.4
    assert abs(np.corrcoef(orders.ravel(), np.tile(np.arange(500), 200))[0, 1]) < 0.015
    # every sample is equally often in the first tenth
    assert kstest((orders[:, :50] / 500).ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("num", [0, 1, 2])
def test_tiny_orders(num):
    assert sorted(epoch_order(1, 0, num).tolist()) == list(range(num))


@pytest.mark.parametrize("style", ["torchvision", "pycls"])
def test_a_box_does_not_depend_on_its_batch(style):
    view, indices = replace(VIEW, crop_style=style), np.arange(300)
    heights, widths = 200 + indices, 500 - indices
    whole = boxes(view, 4, indices, heights, widths)
    chosen = np.array([250, 3, 77])
    np.testing.assert_array_equal(boxes(view, 4, chosen, heights[chosen], widths[chosen]), whole[chosen])
    assert (boxes(view, 5, indices, heights, widths) != whole).any(axis=1).mean() > 0.99


def test_flips_happen_with_the_given_probability_and_never_in_eval():
    indices = np.arange(20000)
    for prob in (0.0, 0.2, 0.5, 1.0):
        assert abs(flips(replace(VIEW, flip_prob=prob), 0, indices).mean() - prob) < 0.015
    assert not flips(replace(VIEW, train=False), 0, indices).any()


def test_lighting_weights_are_normal_and_scale_with_std():
    weights = lighting(1, 0.1, 0, np.arange(5000))
    assert weights.dtype == np.float32 and weights.shape == (5000, 3)
    assert kstest(weights.ravel() / 0.1, "norm").pvalue > 1e-3
    np.testing.assert_allclose(lighting(1, 0.2, 0, np.arange(5000)), 2 * weights, rtol=1e-6)


def test_box_flip_and_lighting_are_independent():
    indices = np.arange(10000)
    drawn = boxes(VIEW, 0, indices, np.full(10000, 375), np.full(10000, 500))
    columns = np.column_stack([drawn, flips(VIEW, 0, indices), lighting(1, 1.0, 0, indices)])
    correlation = np.corrcoef(columns.T)[:4, 4:]
    assert abs(correlation).max() < 4.5 / np.sqrt(10000)


def test_eval_geometry_is_whole_numbers():
    assert eval_geometry(replace(VIEW, train=False), 375, 500) == (256, 341, 16, 58)


def test_a_test_crop_larger_than_its_image_is_refused():
    cfg = load_cfg(None, ["TRAIN.IM_SIZE", "224", "TEST.IM_SIZE", "200"])
    assert build_view(cfg, "train").size == 224
    with pytest.raises(ValueError, match=r"TEST.IM_SIZE = 200 is smaller than TRAIN.IM_SIZE = 224"):
        build_view(cfg, "test")
