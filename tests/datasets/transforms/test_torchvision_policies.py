"""torchvision's policies against torchvision: its operators, its tables, and its whole transforms with our draws."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import kstest
from torchvision.transforms import v2

from pycls.core.config import load_cfg
from pycls.datasets.transforms.augment import build_augmentation
from pycls.datasets.transforms.rng import uniforms
from pycls.datasets.transforms.torchvision_ops import OPS, SMOOTH_OPS
from pycls.datasets.transforms.torchvision_policies import augmix_space, auto_space, rand_space, trivial_space
from tests.helpers.photographs import load

SIZE = 72
PHOTO = load("astronaut.png", (SIZE, SIZE))
SPACES = [
    (auto_space, v2.AutoAugment, 10),
    (rand_space, v2.RandAugment, 31),
    (trivial_space, v2.TrivialAugmentWide, 31),
    (augmix_space, v2.AugMix, 10),
]


def _stage(text, dataset="imagenet", size=SIZE, interpolation=""):
    keys = [
        "TRAIN.AUGMENT_INTERPOLATION",
        interpolation,
        "TRAIN.AUGMENT",
        text,
        "TRAIN.IM_SIZE",
        str(size),
        "TRAIN.DATASET",
        dataset,
    ]
    return build_augmentation(load_cfg(None, keys)).stages[0]


def _draws(stage, num):
    return uniforms(1, stage.stream, 0, np.arange(num), stage.num_draws)


@pytest.mark.parametrize("size", [28, 32, 72, 224])
@pytest.mark.parametrize(("space", "transform", "num_bins"), SPACES, ids=lambda value: getattr(value, "__name__", ""))
def test_magnitudes_are_torchvisions(space, transform, num_bins, size):
    ours, theirs = space(size), transform._AUGMENTATION_SPACE
    assert set(ours) == set(theirs)
    for name, (magnitudes, signed) in theirs.items():
        values = magnitudes(num_bins, size, size)
        assert ours[name].values == ((0.0,) if values is None else tuple(float(value) for value in values)), name
        assert ours[name].signed == signed, name


@pytest.mark.parametrize(
    ("dataset", "policy"),
    [
        ("imagenet", v2.AutoAugmentPolicy.IMAGENET),
        ("digits", v2.AutoAugmentPolicy.IMAGENET),
        ("cifar10", v2.AutoAugmentPolicy.CIFAR10),
        ("cifar100", v2.AutoAugmentPolicy.CIFAR10),
    ],
)
def test_auto_augment_has_torchvisions_policies(dataset, policy):
    space = auto_space(SIZE)
    for ours, theirs in zip(_stage("AutoAugment", dataset).programs, v2.AutoAugment(policy)._policies, strict=True):
        for op, (name, prob, level) in zip(ours, theirs, strict=True):
            assert (op.name, op.prob) == (name, prob)
            assert op.values == (space[name].values[level or 0],)


@pytest.mark.parametrize(
    ("ops", "mode"), [(OPS, v2.InterpolationMode.NEAREST), (SMOOTH_OPS, v2.InterpolationMode.BILINEAR)]
)
@pytest.mark.parametrize("name", OPS)
def test_operators_are_torchvisions(name, ops, mode):
    op = (trivial_space(SIZE) | auto_space(SIZE))[name]
    wide = trivial_space(SIZE).get(name, op)
    for value in {*op.values, *wide.values, *(-value for value in wide.values if op.signed)}:
        transform = v2.TrivialAugmentWide(interpolation=mode)
        expected = transform._apply_image_or_video_transform(PHOTO, name, value, transform.interpolation, {})
        assert np.array_equal(ops[name](PHOTO, value), expected), value


def test_augmix_warps_bilinearly():
    pixels = v2.functional.pil_to_tensor(PHOTO)[None]
    for name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"):
        value = 0.2 if "Shear" in name else 11.0
        expected = v2.AugMix()._apply_image_or_video_transform(pixels, name, value, v2.InterpolationMode.BILINEAR, {})
        assert torch.equal(SMOOTH_OPS[name](pixels, value), expected), name


class Script:
    """Hand torchvision's code, instead of random numbers, those that lead to our operations."""

    def __init__(self, monkeypatch, transform):
        self.numbers, self.names, self.shares = [], [], []
        monkeypatch.setattr(torch, "rand", lambda *size: torch.tensor(self.numbers.pop(0)))
        monkeypatch.setattr(torch, "randint", lambda *size, **options: torch.tensor(self.numbers.pop(0)))
        monkeypatch.setattr(transform, "_get_random_item", self._item)
        if hasattr(transform, "_sample_dirichlet"):
            monkeypatch.setattr(transform, "_sample_dirichlet", lambda params: self.shares.pop(0))

    def _item(self, table):
        name = self.names.pop(0)
        return name, table[name]

    def add(self, op, value, with_bin):
        """Script one operation; `with_bin`: torchvision draws which of its magnitudes."""
        self.names.append(op.name)
        if with_bin and len(op.values) > 1:
            self.numbers.append(op.values.index(abs(value)))
        if op.signed:
            self.numbers.append(0.0 if value < 0 or str(value) == "-0.0" else 1.0)


MODES = {
    "": {},
    "nearest": {"interpolation": v2.InterpolationMode.NEAREST},
    "bilinear": {"interpolation": v2.InterpolationMode.BILINEAR},
}


@pytest.mark.parametrize("mode", MODES)
def test_rand_augment_equals_torchvisions(monkeypatch, mode):
    transform, stage = v2.RandAugment(3, 11, **MODES[mode]), _stage("RandAugment_N3_M11", interpolation=mode)
    script, space = Script(monkeypatch, transform), rand_space(SIZE)
    for row in _draws(stage, 60):
        for name, value in stage.steps(row):
            script.add(space[name], value, with_bin=False)
        assert np.array_equal(stage(PHOTO, row), transform(PHOTO))
    assert not script.numbers and not script.names


@pytest.mark.parametrize("mode", MODES)
def test_trivial_augment_equals_torchvisions(monkeypatch, mode):
    transform, stage = v2.TrivialAugmentWide(**MODES[mode]), _stage("TrivialAugment", interpolation=mode)
    script, space = Script(monkeypatch, transform), trivial_space(SIZE)
    for row in _draws(stage, 100):
        ((name, value),) = stage.steps(row)
        script.add(space[name], value, with_bin=True)
        assert np.array_equal(stage(PHOTO, row), transform(PHOTO))
    assert not script.numbers and not script.names


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dataset", ["imagenet", "cifar10"])
def test_auto_augment_equals_torchvisions(monkeypatch, dataset, mode):
    policy = v2.AutoAugmentPolicy.CIFAR10 if dataset == "cifar10" else v2.AutoAugmentPolicy.IMAGENET
    transform, stage = v2.AutoAugment(policy, **MODES[mode]), _stage("AutoAugment", dataset, interpolation=mode)
    script = Script(monkeypatch, transform)
    for row in _draws(stage, 100):
        which = int(row[0] * 25)
        script.numbers.append(which)
        for (_, prob, _), op, (done, _, sign) in zip(
            transform._policies[which], stage.programs[which], row[1:].reshape(2, 3), strict=True
        ):
            script.numbers.append(done)
            if done <= prob and op.signed:
                script.numbers.append(sign)
        assert np.array_equal(stage(PHOTO, row), transform(PHOTO))
    assert not script.numbers


@pytest.mark.parametrize("mode", MODES)
def test_augmix_equals_torchvisions(monkeypatch, mode):
    transform, stage = v2.AugMix(**MODES[mode]), _stage("AugMix", interpolation=mode)
    script, space = Script(monkeypatch, transform), augmix_space(SIZE)
    for row in _draws(stage, 20):
        kept, *shares = stage.weights(row)
        script.shares += [torch.tensor([[kept, 1.0]]), torch.tensor([shares])]
        for steps in stage.chains(row):
            script.numbers.append(len(steps))
            for name, value in steps:
                script.add(space[name], value, with_bin=True)
        assert np.array_equal(stage(PHOTO, row), transform(PHOTO))
    assert not script.numbers and not script.names and not script.shares


# ---- the laws of the draws


def test_every_operation_magnitude_and_sign_is_equally_likely():
    num = 20_000
    stage = _stage("TrivialAugment")
    steps = [stage.steps(row)[0] for row in _draws(stage, num)]
    names = Counter(name for name, _ in steps)
    assert len(names) == 14 and max(abs(count - num / 14) for count in names.values()) < 5 * np.sqrt(num / 14)
    turns = Counter(value for name, value in steps if name == "Rotate")
    total = sum(turns.values())
    assert abs(sum(count for value, count in turns.items() if value > 0) - total * 15 / 31) < 5 * np.sqrt(total / 4)
    bins = Counter(abs(value) for value in turns.elements())
    assert len(bins) == 31 and max(abs(count - total / 31) for count in bins.values()) < 5 * np.sqrt(total / 31)


def test_auto_augment_chooses_sub_policies_and_operations_by_their_probabilities():
    num = 20_000
    counts = Counter()
    stage = _stage("AutoAugment")
    for row in _draws(stage, num):
        counts.update(name for name, _ in stage.steps(row))
    expected = Counter()
    for program in v2.AutoAugment()._policies:
        for name, prob, _ in program:
            expected[name] += prob / 25
    assert set(counts) == {name for name in expected if expected[name] > 0}
    for name, mean in expected.items():
        assert abs(counts[name] - num * mean) < 5 * np.sqrt(num * 2 * mean), name


def test_augmix_shares_and_lengths():
    stage = _stage("AugMix")
    draws = _draws(stage, 5000)
    weights = np.array([stage.weights(row) for row in draws])
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert kstest(weights[:, 0], "uniform").pvalue > 1e-3  # Beta(1, 1)
    for chain in range(1, 4):  # a part of Dirichlet(1, 1, 1) is Beta(1, 2)
        assert kstest(weights[:, chain] / (1 - weights[:, 0]), "beta", args=(1, 2)).pvalue > 1e-3
    lengths = Counter(len(steps) for row in draws for steps in stage.chains(row))
    assert set(lengths) == {1, 2, 3}
    assert max(abs(count - 5000) for count in lengths.values()) < 5 * np.sqrt(15000 * 2 / 9)


def test_a_draw_that_chooses_nothing_returns_the_same_image():
    stage = _stage("AutoAugment")
    row = np.full(stage.num_draws, 0.99)
    row[0] = 0.0
    assert stage(PHOTO, row) is PHOTO


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "RandAugment_N2_M0.5",
            r"whole number from 0 to 30 as M, got 0\.5; write M15, or set TRAIN\.AUGMENT_OPS pycls",
        ),
        ("RandAugment_N2_M31", "got 31; write M30"),
        ("RandAugment_N2_M9_P0.5", r"has no P; drop it, or set TRAIN\.AUGMENT_OPS pycls or timm"),
        ("RandAugment_N2_M9_S0", r"torchvision's RandAugment has no S, got S0; .* set TRAIN\.AUGMENT_OPS timm"),
    ],
)
def test_what_torchvision_does_not_have_is_an_error(text, words):
    with pytest.raises(ValueError, match=words):
        _stage(text)


def test_gray_and_flat_images_are_no_problem():
    for text in ("AutoAugment", "RandAugment_N2_M30", "TrivialAugment", "AugMix"):
        stage = _stage(text, size=8)
        for image in (Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), (255, 255, 255))):
            for row in _draws(stage, 30):
                assert stage(image, row).size == (8, 8)
