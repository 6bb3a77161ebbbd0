"""The predictions of single images against numpy: order, ties, what is no number, several processes."""

import numpy as np
import torch

from pycls.core.config import load_cfg
from pycls.core.distributed import rank
from pycls.core.launch import launch
from pycls.datasets.loader import Batch
from pycls.datasets.samplers import evaluation_batches
from pycls.engine.evaluate import evaluate
from pycls.engine.network.precision import Precision
from pycls.engine.reporting.image_predictions import Collector
from pycls.losses import build_loss

NUM_IMAGES, NUM_CLASSES = 31, 8


def made_up():
    """Return logits with many ties, and one row with a NaN; labels."""
    rng = np.random.default_rng(0)
    logits = np.round(2 * rng.standard_normal((NUM_IMAGES, NUM_CLASSES))).astype(np.float32)
    logits[7, 2] = np.nan
    return logits, rng.integers(0, NUM_CLASSES, NUM_IMAGES)


class Shares:
    """Logits in the place of images, in the share of a process, in batches out of order."""

    def __init__(self, world_size):
        self.samples = range(NUM_IMAGES)
        self.batches = evaluation_batches(NUM_IMAGES, 4 * world_size, rank(), world_size)[::-1]

    def epoch(self, epoch):
        logits, labels = map(torch.from_numpy, made_up())
        for indices in map(torch.from_numpy, self.batches):
            yield Batch(logits[indices], labels[indices], indices)


def collect(world_size):
    loss, precision = build_loss(load_cfg(None)), Precision(torch.device("cpu"))
    arguments = torch.nn.Identity(), Shares(world_size), loss, precision, NUM_CLASSES
    assert evaluate(*arguments).predictions is None, "nothing is kept unless it is asked for"
    found = evaluate(*arguments, collector=Collector())
    return found.top1_correct, found.top5_correct, found.predictions


def check(top1_correct, top5_correct, predictions):
    logits, labels = made_up()
    powers = np.exp(logits.astype(np.float64))
    probs = powers / powers.sum(1, keepdims=True)
    order = np.argsort(-np.nan_to_num(logits, nan=99), axis=1, kind="stable")
    assert predictions.indices.tolist() == list(range(NUM_IMAGES)) and predictions.labels.tolist() == labels.tolist()
    assert predictions.classes.tolist() == order[:, :5].tolist()
    np.testing.assert_allclose(predictions.probs, np.take_along_axis(probs, order[:, :5], 1), rtol=1e-5)
    np.testing.assert_allclose(predictions.label_probs, probs[np.arange(NUM_IMAGES), labels], rtol=1e-5)
    right = (order[:, 0] == labels) & (np.arange(NUM_IMAGES) != 7)
    assert predictions.right.tolist() == right.tolist() and right.sum() == top1_correct > 0
    in_five = (order[:, :5] == labels[:, None]).any(1) & (np.arange(NUM_IMAGES) != 7)
    assert in_five.sum() == top5_correct
    mistakes = sorted(np.flatnonzero(~right).tolist(), key=lambda i: (np.isnan(probs[i, 0]), -predictions.probs[i, 0]))
    assert predictions.surest_mistakes(6).tolist() == mistakes[:6]
    assert predictions.surest_mistakes(99).tolist() == mistakes and mistakes[-1] == 7
    least = predictions.least_certain(5)
    assert least[0] == 7 and np.all(np.diff(predictions.probs[least[1:], 0]) >= 0)


def test_one_process():
    check(*collect(1))


def test_two_processes():
    check(*launch(collect, (2,), 2, "gloo", 5.0))


def test_fewer_classes_than_five_and_uncertainties():
    collector, labels = Collector(), torch.tensor([1, 0])
    logits = torch.tensor([[0.0, 1.0, 0.5], [0.2, 0.1, 3.0]], dtype=torch.float64)
    collector.add(torch.tensor([3, 1]), labels, torch.tensor([True, False]), logits, torch.tensor([0.25, 0.75]))
    found = collector.gather()
    assert found.indices.tolist() == [1, 3] and found.classes.tolist() == [[2, 0, 1], [1, 2, 0]]
    assert found.probs.dtype == np.float32 and found.uncertainty.tolist() == [0.75, 0.25]
    assert found.least_certain(1).tolist() == [1] and len(found) == 2
