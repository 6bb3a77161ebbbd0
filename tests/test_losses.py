"""Losses on soft targets."""

import json
import math

import pytest
import torch
import torch.nn.functional as F

from pycls.core.config import load_cfg
from pycls.losses import LOSSES, balanced_weights, build_loss, build_train_loss, soft_targets
from tests.helpers.parity_fill import make_input
from tests.helpers.paths import RECORDS

MISC = json.loads((RECORDS / "pycls_misc_parity.json").read_text())


def test_cross_entropy_with_smoothing_is_pycls_s():
    logits, labels = make_input((4, 5), 6), torch.arange(4)
    loss = build_loss(load_cfg(None))(logits.double(), soft_targets(labels, 5, 0.1, torch.float64))
    assert loss.item() == pytest.approx(MISC["soft_cross_entropy"]["ls0.1"], rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_a_mean_that_prefers_the_truth(name):
    loss_fn = build_loss(load_cfg(None, ["MODEL.LOSS_FUN", name]))
    targets = soft_targets(torch.tensor([2, 0]), 4, 0.0)
    right, wrong = 8 * targets, 8 * targets.roll(1, 1)
    assert loss_fn(right, targets) < loss_fn(wrong, targets)
    assert loss_fn(right.repeat(3, 1), targets.repeat(3, 1)).item() == pytest.approx(loss_fn(right, targets).item())


def test_targets_are_rows_that_sum_to_one():
    targets = soft_targets(torch.tensor([1, 3]), 10, 0.1)
    assert targets.sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert targets[0, 1].item() == pytest.approx(0.91) and targets[0, 0].item() == pytest.approx(0.01)


def test_half_precision_logits_are_scored_in_float32():
    logits = torch.tensor([[300.0, 0.0]], dtype=torch.bfloat16)
    assert build_loss(load_cfg(None))(logits, torch.tensor([[0.0, 1.0]])).dtype == torch.float32


MIXED = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.1, 0.9]], dtype=torch.float64)
LOGITS = torch.tensor([[1.0, -0.5, 0.25], [-2.0, 0.5, 3.0]], dtype=torch.float64)


def loss_of(*words):
    return build_loss(load_cfg(None, ["MODEL.NUM_CLASSES", "3", *words]))(LOGITS, MIXED).item()


def test_bce_asks_whether_each_class_is_present():
    p = 1 / (1 + (-LOGITS).exp())

    def mean(present):
        return -(present * p.log() + (1 - present) * (1 - p).log()).mean().item()

    present = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert loss_of("MODEL.LOSS_FUN", "bce") == pytest.approx(mean(present), rel=1e-12)
    assert loss_of("MODEL.LOSS_FUN", "bce", "MODEL.BCE_THRESHOLD", "0") == pytest.approx(mean(MIXED), rel=1e-12)


def test_bce_smooths_what_its_threshold_found_in_training_only():
    cfg = load_cfg(None, ["MODEL.NUM_CLASSES", "3", "MODEL.LOSS_FUN", "bce", "TRAIN.LABEL_SMOOTHING", "0.3"])
    wanted = torch.tensor([[0.8, 0.8, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(LOGITS, wanted)
    smoothed = MIXED * 0.7 + 0.1
    assert build_train_loss(cfg, [0])(LOGITS, smoothed).item() == pytest.approx(expected.item(), rel=1e-12)
    assert build_loss(cfg)(LOGITS, MIXED).item() == pytest.approx(loss_of("MODEL.LOSS_FUN", "bce"))


def test_focal_losses_by_their_formulas():
    p, truth = 1 / (1 + (-LOGITS).exp()), MIXED
    p_t, alpha_t = p * truth + (1 - p) * (1 - truth), 0.25 * truth + 0.75 * (1 - truth)
    ce = -(truth * p.log() + (1 - truth) * (1 - p).log())
    words = ("MODEL.LOSS_FUN", "focal", "MODEL.FOCAL_GAMMA", "1.5")
    assert loss_of(*words) == pytest.approx((alpha_t * (1 - p_t) ** 1.5 * ce).sum().item() / 2, rel=1e-12)
    assert loss_of(*words, "MODEL.FOCAL_ALPHA", "-1") == pytest.approx(((1 - p_t) ** 1.5 * ce).sum().item() / 2)
    s = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
    expected = -(truth * (1 - s) ** 2 * s.log()).sum().item() / 2
    assert loss_of("MODEL.LOSS_FUN", "softmax_focal") == pytest.approx(expected, rel=1e-12)
    plain = loss_of("MODEL.LOSS_FUN", "softmax_focal", "MODEL.FOCAL_GAMMA", "0")
    assert plain == pytest.approx(loss_of(), rel=1e-12), "gamma 0 is cross entropy"


@pytest.mark.parametrize("name", ["focal", "softmax_focal"])
def test_focal_gradients_of_certain_answers_are_finite(name):
    logits = torch.tensor([[30.0, -300.0, 0.0], [200.0, -200.0, -200.0]], requires_grad=True)
    loss = build_loss(load_cfg(None, ["MODEL.LOSS_FUN", name, "MODEL.FOCAL_GAMMA", "0.5"]))
    loss(logits, torch.tensor([[1.0, 0.0, 0.0]] * 2)).backward()
    assert logits.grad.isfinite().all()


def test_smooth_l1_is_of_probabilities():
    off = (LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True) - MIXED).abs()
    expected = torch.where(off < 0.1, off**2 / 0.2, off - 0.05).sum().item() / 2
    assert loss_of("MODEL.LOSS_FUN", "smooth_l1", "MODEL.SMOOTH_L1_BETA", "0.1") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_class_weights_weigh_images_by_their_class(name):
    words = ["MODEL.NUM_CLASSES", "3", "MODEL.LOSS_FUN", name]
    plain = build_loss(load_cfg(None, words))
    weighted = build_train_loss(load_cfg(None, [*words, "TRAIN.CLASS_WEIGHTS", "[2, 1, 0.5]"]), [0, 1, 2])
    targets = soft_targets(torch.tensor([0, 2]), 3, 0.0, torch.float64)
    each = [plain(LOGITS[i : i + 1], targets[i : i + 1]).item() for i in range(2)]
    assert weighted(LOGITS, targets).item() == pytest.approx((2 * each[0] + 0.5 * each[1]) / 2, rel=1e-12)


def test_weighted_cross_entropy_of_mixed_rows_is_torch_s():
    cfg = load_cfg(None, ["MODEL.NUM_CLASSES", "3", "TRAIN.CLASS_WEIGHTS", "[2, 1, 0.5]"])
    expected = F.cross_entropy(LOGITS, MIXED, torch.tensor([2, 1, 0.5], dtype=torch.float64))
    assert build_train_loss(cfg, [0])(LOGITS, MIXED).item() == pytest.approx(expected.item(), rel=1e-12)
    assert build_loss(cfg)(LOGITS, MIXED).item() == pytest.approx(loss_of()), "evaluation has no weights"


def test_balanced_weights_make_every_class_count_alike():
    labels = [0] * 6 + [1] * 3 + [3]
    weights = balanced_weights(labels, 4)
    assert weights.tolist() == pytest.approx([10 / 18, 10 / 9, 0.0, 10 / 3])
    cfg = load_cfg(None, ["MODEL.NUM_CLASSES", "4", "TRAIN.CLASS_BALANCE", "loss"])
    logits, targets = torch.zeros(10, 4), soft_targets(torch.tensor(labels), 4, 0.0)
    assert build_train_loss(cfg, labels)(logits, targets).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["TRAIN.CLASS_WEIGHTS", "[1, 2]"], "2 weights for 10 classes"),
        (["TRAIN.CLASS_WEIGHTS", "[1, -2]"], "numbers, each at least 0"),
        (["TRAIN.CLASS_WEIGHTS", "[1, 2]", "TRAIN.CLASS_BALANCE", "loss"], "one of them"),
        (["TRAIN.CLASS_BALANCE", "lost"], "'loss'"),
        (["MODEL.LOSS_FUN", "bce", "TRAIN.LABEL_SMOOTHING", "0.5", "MODEL.BCE_THRESHOLD", "0.05"], "LABEL_SMOOTHING"),
        (["MODEL.LOSS_FUN", "bce", "MODEL.BCE_THRESHOLD", "1"], "MODEL.BCE_THRESHOLD"),
        (["MODEL.LOSS_FUN", "focal", "MODEL.FOCAL_ALPHA", "2"], "MODEL.FOCAL_ALPHA must be between 0 and 1 or -1"),
    ],
)
def test_mistakes_are_named(words, found):
    with pytest.raises(ValueError, match=found):
        build_train_loss(load_cfg(None, words), [0, 1])
