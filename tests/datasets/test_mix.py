"""Mixup and CutMix against records of pycls's and CutMix's code, the laws they draw from, and a slow reference."""

import json

import numpy as np
import pytest
import torch

from pycls.core.config import load_cfg
from pycls.datasets.mix import Mixer, build_mixer, cutmix_box, mix, partners, symmetric_beta
from tests.helpers.paths import RECORDS

RECORDS = json.loads((RECORDS / "mix.json").read_text())
CASES = [case for case in RECORDS["pycls"] if case["draws"]]
SEED = 7


def _mixer(mixup=0.0, cutmix=0.0, prob=1.0, switch=0.5, elementwise=False, compiled=False):
    return Mixer(mixup, cutmix, prob, switch, elementwise, SEED, compiled)


def _ramp(shape):
    count = int(np.prod(shape))
    return (torch.arange(count, dtype=torch.float32) / count).reshape(shape)


def _lam(box, height, width):
    y1, y2, x1, x2 = box
    return 1 - (y2 - y1) * (x2 - x1) / (height * width)


@pytest.mark.parametrize("row", RECORDS["cutmix_boxes"], ids=str)
def test_boxes_are_those_of_cutmix(row):
    height, width, lam, cy, cx, y1, x1, y2, x2, clipped = row
    box = cutmix_box(height, width, lam, cy, cx)
    assert box == (y1, y2, x1, x2)
    assert _lam(box, height, width) == pytest.approx(clipped, abs=1e-12)


def _recorded_box(case):
    """Return box and weight that pycls's pinned draws stand for."""
    height, width = case["images"][2:]
    (lam,) = (value for name, _, value in case["draws"] if name == "beta")
    center = [value for name, _, value in case["draws"] if name == "randint"]
    if center:
        return cutmix_box(height, width, lam, center[1], center[0]), 1.0
    return (0, height, 0, width), 1 - lam


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['mixup_alpha']}-{case['cutmix_alpha']}")
def test_batches_are_those_of_pycls(case):
    images, targets = _ramp(case["images"]), torch.eye(4)
    box, weight = _recorded_box(case)
    before = images.clone()
    mixed, rows = mix(images, targets, np.array(case["permutation"]), np.array([box]), np.array([weight]))
    np.testing.assert_allclose(rows.numpy(), case["labels_out"], atol=1e-7)
    assert mixed.double().mean().item() == pytest.approx(case["out_mean"], abs=1e-6)
    changed = (mixed != before)[0].any(dim=0)
    assert changed.sum() == case["sample0_changed_pixels"]
    for axis, name in ((1, "rows"), (0, "cols")):
        seen = changed.any(dim=axis).nonzero().flatten().tolist()
        assert [seen[0], seen[-1]] == case[f"sample0_changed_{name}"] if seen else not case[f"sample0_changed_{name}"]


CDFS = {
    0.5: lambda x: 2 / np.pi * np.arcsin(np.sqrt(x)),
    1.0: lambda x: x,
    2.0: lambda x: 3 * x**2 - 2 * x**3,
    3.0: lambda x: 10 * x**3 - 15 * x**4 + 6 * x**5,
}


@pytest.mark.parametrize("alpha", CDFS)
def test_lambda_follows_its_law(alpha):
    """The Kolmogorov-Smirnov distance to the closed distribution function stays below its 0.1 % quantile."""
    values = np.sort(symmetric_beta(np.random.default_rng(0).random((20000, 2)), alpha))
    steps = np.arange(20001) / 20000
    exact = CDFS[alpha](values)
    assert max(abs(exact - steps[1:]).max(), abs(exact - steps[:-1]).max()) < 1.95 / 20000**0.5


@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.8, 30.0])
def test_lambda_has_its_mean_and_variance(alpha):
    values = symmetric_beta(np.random.default_rng(1).random((200000, 2)), alpha)
    assert values.min() >= 0 and values.max() <= 1
    assert values.mean() == pytest.approx(0.5, abs=0.005)
    assert values.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.02)


def test_extreme_draws_stay_numbers():
    draws = np.array([[0.0, 0.0], [0.0, 0.5], [1 - 2**-53, 0.25], [1e-300, 0.5]])
    for alpha in (1e-3, 0.2, 1.0, 1e6):
        values = symmetric_beta(draws, alpha)
        assert ((values >= 0) & (values <= 1)).all()


@pytest.mark.parametrize("mixup, cutmix, share_cut", [(0.8, 0.0, 0), (0.0, 1.0, 1), (0.8, 1.0, 0.3)])
def test_shares_of_mixup_and_cutmix(mixup, cutmix, share_cut):
    boxes, weights = _mixer(mixup, cutmix, prob=0.6, switch=0.3).draw(0, np.arange(20000), 32, 32)
    mixed = weights > 0
    assert mixed.mean() == pytest.approx(0.6, abs=0.015)
    assert (weights[mixed] == 1).mean() == pytest.approx(share_cut, abs=0.02)
    whole = (boxes == (0, 32, 0, 32)).all(axis=1)
    assert whole[mixed & (weights < 1)].all() and not whole[weights == 1].any()


@pytest.mark.parametrize("first, side, length", [(0, 16, 4), (2, 24, 6)], ids=["rows", "columns"])
def test_centers_are_uniform(first, side, length):
    """Boxes of one size that touch no border begin everywhere, equally often."""
    boxes, _ = _mixer(cutmix=1.0).draw(0, np.arange(40000), 16, 24)
    start, end = boxes[:, first], boxes[:, first + 1]
    counts = np.bincount(start[(end - start == length) & (start > 0) & (end < side)])[1:]
    assert len(counts) == side - length - 1
    assert counts.sum() > 1000 and abs(counts / counts.mean() - 1).max() < 0.25


def test_partners_are_a_permutation_and_every_one_is_as_likely():
    counts = np.zeros((5, 5))
    for epoch in range(5000):
        partner = partners(SEED, epoch, np.array([3, 9, 4, 1, 7]))
        assert sorted(partner) == list(range(5))
        counts[np.arange(5), partner] += 1
    assert abs(counts / 1000 - 1).max() < 0.12


def _batch(num=6, size=9, classes=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(num, 3, size, size, generator=generator, dtype=dtype)
    targets = torch.rand(num, classes, generator=generator, dtype=dtype)
    return images, targets / targets.sum(dim=1, keepdim=True), np.arange(num) * 11


def _slow(images, targets, partner, boxes, weights):
    """Mix one image after the other."""
    mixed, rows = images.clone(), targets.clone()
    for i, (other, (y1, y2, x1, x2), weight) in enumerate(zip(partner, boxes, weights, strict=True)):
        place = (slice(None), slice(y1, y2), slice(x1, x2))
        mixed[i][place] = (1 - weight) * images[i][place] + weight * images[other][place]
        share = weight * (1 - _lam((y1, y2, x1, x2), *images.shape[-2:]))
        rows[i] = (1 - share) * targets[i] + share * targets[other]
    return mixed, rows


@pytest.mark.parametrize(
    "elementwise, memory_format, compiled",
    [
        (False, torch.contiguous_format, False),
        (True, torch.contiguous_format, False),
        (False, torch.channels_last, False),
        (True, torch.channels_last, False),
        (True, torch.channels_last, True),
    ],
)
def test_batches_equal_a_slow_reference(elementwise, memory_format, compiled):
    mixer, steps = _mixer(0.8, 1.0, prob=0.8, elementwise=elementwise, compiled=compiled), range(12)
    for step in steps:
        images, targets, indices = _batch()
        boxes, weights = mixer.draw(2, indices if elementwise else np.array([step]), 9, 9)
        boxes, weights = np.broadcast_to(boxes, (6, 4)), np.broadcast_to(weights, 6)
        expected = _slow(images, targets, partners(SEED, 2, indices), boxes, weights)
        mixed, rows = mixer(images.to(memory_format=memory_format), targets, 2, step, indices)
        torch.testing.assert_close((mixed, rows), expected, rtol=0, atol=1e-14)
        torch.testing.assert_close(rows.sum(dim=1), torch.ones(6, dtype=torch.float64))
        assert mixed.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("compiled", [False, True])
def test_pixels_outside_a_box_do_not_change_and_inside_are_the_partner_s(compiled):
    images, targets, indices = _batch(dtype=torch.float32)
    expected, partner = images.clone(), partners(SEED, 0, indices)
    mixed, _ = mix(images, targets, partner, np.array([[2, 5, 1, 9]]), np.array([1.0]), compiled)
    expected[:, :, 2:5, 1:9] = images[partner][:, :, 2:5, 1:9]
    assert torch.equal(mixed, expected)


def test_what_a_batch_is_mixed_by_depends_on_the_step_alone():
    """So it is the same for any number of processes, and after a restart."""
    mixer = _mixer(0.8, 1.0)
    drawn = [mixer.draw(epoch, np.array([step]), 32, 32) for epoch in (0, 1) for step in (0, 1, 2)]
    assert len({weights.tobytes() + boxes.tobytes() for boxes, weights in drawn}) == 6
    images, targets, indices = _batch()
    first = mixer(images, targets, 1, 2, indices)
    torch.testing.assert_close(mixer(images, targets, 1, 2, indices), first, rtol=0, atol=0)


def test_what_an_image_is_mixed_by_depends_on_the_image_alone():
    mixer = _mixer(0.8, 1.0, elementwise=True)
    boxes, weights = mixer.draw(3, np.arange(10), 32, 32)
    some = np.array([7, 2])
    boxes_of_some, weights_of_some = mixer.draw(3, some, 32, 32)
    assert (boxes[some] == boxes_of_some).all() and (weights[some] == weights_of_some).all()
    assert len(set(weights.tolist())) > 3


def test_an_unmixed_batch_is_returned_as_it_is():
    images, targets, indices = _batch()
    mixed, rows = _mixer(1.0, 1.0, prob=0.0)(images, targets, 0, 0, indices)
    assert mixed is images and rows is targets


def test_the_config_s_mixer():
    assert build_mixer(load_cfg(None)) is None
    words = ["TRAIN.CUTMIX_ALPHA", "1", "TRAIN.MIX_PROB", "0.5", "TRAIN.MIX_MODE", "elem", "RNG_SEED", "3"]
    assert build_mixer(load_cfg(None, words)) == Mixer(0.0, 1.0, 0.5, 0.5, True, 3)


def test_a_single_image_cannot_be_mixed():
    with pytest.raises(ValueError, match=r"TRAIN\.BATCH_SIZE 1 leaves each of 1 processes a single image"):
        build_mixer(load_cfg(None, ["TRAIN.MIXUP_ALPHA", "0.2", "TRAIN.BATCH_SIZE", "1"]))


@pytest.mark.parametrize(
    "key, value", [("MIXUP_ALPHA", "-1"), ("CUTMIX_ALPHA", "-0.1"), ("MIX_PROB", "1.5"), ("MIX_SWITCH_PROB", "-1")]
)
def test_numbers_out_of_range_are_refused(key, value):
    with pytest.raises(ValueError, match=rf"TRAIN\.{key}"):
        load_cfg(None, [f"TRAIN.{key}", value])


@pytest.mark.gpu
def test_a_gpu_mixes_alike():
    mixer = _mixer(0.8, 1.0, elementwise=True)
    images, targets, indices = _batch(dtype=torch.float32)
    on_gpu = mixer(images.cuda(), targets.cuda(), 0, 0, indices)
    torch.testing.assert_close(tuple(t.cpu() for t in on_gpu), mixer(images, targets, 0, 0, indices))
