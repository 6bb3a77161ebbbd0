"""Losses on soft targets."""

import json
from pathlib import Path

import pytest
import torch

from pycls.core.config import load_cfg
from pycls.losses import LOSSES, build_loss, soft_targets
from tests.parity_fill import make_input

MISC = json.loads((Path(__file__).parent / "records/pycls_misc_parity.json").read_text())


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
