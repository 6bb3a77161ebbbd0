"""The balanced sampler shows every class equally often."""

import numpy as np
import torch

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.samplers import balanced_order

LABELS = np.repeat([0, 1, 3], [900, 90, 13])  # 2 has no images


def test_every_class_comes_equally_often():
    order = balanced_order(1, 0, LABELS)
    assert order.dtype == np.int64 and len(order) == 1003
    assert sorted(np.bincount(LABELS[order % 1003])[[0, 1, 3]].tolist()) == [334, 334, 335]


def test_what_does_not_divide_goes_round_the_classes():
    counts = [np.bincount(LABELS[balanced_order(1, epoch, LABELS) % 1003])[[0, 1, 3]] for epoch in range(3)]
    assert sorted(int(count.argmax()) for count in counts) == [0, 1, 2]


def test_images_of_a_class_take_turns():
    times = np.bincount(balanced_order(1, 0, LABELS) % 1003, minlength=1003)
    for label, low, high in ((0, 0, 1), (1, 3, 4), (3, 25, 26)):
        assert set(times[label == LABELS].tolist()) <= {low, high}


def test_an_image_that_comes_again_is_another_view():
    order = balanced_order(1, 0, LABELS)
    assert len(np.unique(order)) == len(order)
    first = order[order < 1003]
    assert set(first.tolist()) >= set(np.flatnonzero(LABELS > 0).tolist()), "view 0 of every rare image"


def test_a_frequent_class_is_seen_whole_over_epochs():
    seen = np.unique(np.concatenate([balanced_order(1, epoch, LABELS) % 1003 for epoch in range(30)]))
    assert len(seen) == 1003


def test_orders_are_pure_shuffled_and_differ():
    first = balanced_order(1, 0, LABELS)
    np.testing.assert_array_equal(balanced_order(1, 0, LABELS), first)
    assert (balanced_order(1, 1, LABELS) != first).mean() > 0.5 < (balanced_order(2, 0, LABELS) != first).mean()
    halves = [np.bincount(LABELS[half % 1003], minlength=4) for half in np.array_split(first, 2)]
    assert max(abs(halves[0] - halves[1])) < 60, "classes are spread over the epoch"


def test_the_loader_balances_training_only():
    words = ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits", "TRAIN.BATCH_SIZE", "10", "TRAIN.IM_SIZE", "8"]
    cfg = load_cfg(None, [*words, "TEST.IM_SIZE", "8", "TRAIN.CLASS_BALANCE", "sampler"])
    for phase in ("train", "test"):
        loader = build_loader(cfg, phase, torch.device("cpu"))
        indices, labels = np.concatenate(loader.index_batches(0)), loader.samples.labels
        loader.close()
        expected = balanced_order(1, 0, labels)[:1440] if phase == "train" else np.arange(355)
        np.testing.assert_array_equal(indices, expected)
