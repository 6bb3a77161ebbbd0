"""timm's RandAugment against timm: its operators, its whole transform with our draws, and the laws of the draws."""

import random
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kstest

from pycls.core.config import load_cfg
from pycls.datasets.transforms.augment import build_augmentation
from pycls.datasets.transforms.pycls_policies import RAND_OPS
from pycls.datasets.transforms.rng import uniforms
from pycls.datasets.transforms.timm_policies import FILTERS, WARPS, build_operators
from tests.helpers.photographs import load

SIZE = 72
PHOTO = load("astronaut.png", (SIZE, SIZE))
FILL = (124, 116, 104)  # the mean of ImageNet's pixels
OPERATORS = build_operators(FILL)
LEVELS = (0.0, 0.37, 2.5, 4.99, 7.0, 7.316, 9.99)
TIMM_NAMES = {
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
    "rotate": "Rotate",
    "posterize_inc": "PosterizeIncreasing",
    "solarize_inc": "SolarizeIncreasing",
    "solarize_add": "SolarizeAdd",
    "color_inc": "ColorIncreasing",
    "contrast_inc": "ContrastIncreasing",
    "brightness_inc": "BrightnessIncreasing",
    "sharpness_inc": "SharpnessIncreasing",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "trans_x": "TranslateXRel",
    "trans_y": "TranslateYRel",
}


def _keys(text, dataset="imagenet"):
    sizes = ["TRAIN.IM_SIZE", str(SIZE), "TRAIN.DATASET", dataset]
    return ["TRAIN.AUGMENT", text, "TRAIN.AUGMENT_OPS", "timm", *sizes]


def _stage(text, *more):
    return build_augmentation(load_cfg(None, [*_keys(text), *more])).stages[0]


def _draws(stage, num):
    return uniforms(1, stage.stream, 0, np.arange(num), stage.num_draws)


def _split(name):
    """Return the name of an operation without its filter, and the filter ("" for none)."""
    plain, _, last = name.rpartition("_")
    return (plain, last) if last in FILTERS else (name, "")


# ---- against timm


@pytest.fixture
def timm_code():
    return pytest.importorskip("timm.data.auto_augment")


class Script:
    """Hand timm's code, instead of random numbers, those that lead to our operations."""

    def __init__(self, monkeypatch, timm_code):
        self.numbers, self.levels, self.filters, self.ops = [], [], [], []
        monkeypatch.setattr(timm_code, "random", self)
        monkeypatch.setattr(np.random, "choice", lambda ops, num, replace, p: self._ops(ops, num, replace, p))

    def random(self):
        return self.numbers.pop(0)

    def gauss(self, mean, std):
        assert (mean, std) == (7, 0.5)
        return self.levels.pop(0)

    def choice(self, filters):
        assert tuple(filters) == tuple(FILTERS.values())
        return self.filters.pop(0)

    def _ops(self, ops, num, replace, shares):
        assert num == 2 and replace and shares is None
        table = {op.name: op for op in ops}
        return [table[self.ops.pop(0)] for _ in range(num)]

    def is_over(self):
        return not (self.numbers or self.levels or self.filters or self.ops)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_timms(name, timm_code, monkeypatch):
    plain, filter_name = _split(name)
    script, operator, timm_name = Script(monkeypatch, timm_code), OPERATORS[name], TIMM_NAMES[plain]
    levels = LEVELS if plain == "posterize_inc" else (*LEVELS, 10.0)
    to_arguments = timm_code.LEVEL_TO_ARG[timm_name]
    for level, negate in [(level, negate) for level in levels for negate in (False, True)]:
        script.numbers = [1.0 if negate else 0.0]
        arguments = to_arguments(level, {}) if to_arguments else ()
        assert bool(script.numbers) != operator.signed
        kwargs = {"resample": FILTERS.get(filter_name), "fillcolor": FILL}
        expected = timm_code.NAME_TO_OP[timm_name](PHOTO, *arguments, **kwargs)
        value = operator.value(level / 10)
        ours = operator.apply(PHOTO, -value if negate and operator.signed else value)
        assert np.array_equal(ours, expected), (level, negate)


def test_rand_augment_equals_timms(timm_code, monkeypatch):
    text, mean = "rand-m7-mstd0.5-inc1", (0.485, 0.456, 0.406)
    transform = pytest.importorskip("timm.data").create_transform(
        SIZE, is_training=True, auto_augment=text, interpolation="random", mean=mean
    )
    (transform,) = [part for part in transform.transforms if isinstance(part, timm_code.RandAugment)]
    stage, script = _stage("RandAugment_N2_M7_S0.5_P0.5"), Script(monkeypatch, timm_code)
    assert Counter(TIMM_NAMES[op] for op in RAND_OPS) == Counter(op.name for op in transform.ops)
    for row in _draws(stage, 150):
        for which, done, value, sign in row.reshape(2, 4).tolist():
            (op,) = stage.programs[int(which * len(stage.programs))]
            plain, filter_name = _split(op.name)
            script.ops.append(TIMM_NAMES[plain])
            script.numbers.append(done)
            if done > 0.5:
                continue
            script.levels.append(op.level(value))
            if op.operator.signed:
                script.numbers.append(1 - sign)  # timm negates above a half, we below
            if filter_name:
                script.filters.append(FILTERS[filter_name])
        assert np.array_equal(stage(PHOTO, row), transform(PHOTO))
        assert script.is_over()


# ---- on our own


@pytest.mark.parametrize(
    ("more", "color"),
    [
        ([], FILL),
        (["TRAIN.DATASET", "cifar10"], (125, 123, 114)),
        (["DATA_LOADER.MEAN", "[0.5, 0.25, 1.0]"], (128, 64, 255)),
    ],
)
def test_warps_uncover_the_mean_that_pixels_are_normalized_with(more, color):
    stage = _stage("RandAugment_M9", *more)
    for name in stage.ops:
        if _split(name)[0] in WARPS:
            pixels = np.asarray(stage.ops[name](Image.new("RGB", (SIZE, SIZE)), 0.3 if name[0] != "r" else 30.0))
            assert set(map(tuple, pixels.reshape(-1, 3).tolist())) == {(0, 0, 0), color}, name


def test_the_strongest_posterize_keeps_a_bit():
    levels = np.unique(OPERATORS["posterize_inc"].apply(PHOTO, OPERATORS["posterize_inc"].value(1.0)))
    assert levels.tolist() == [0, 128]


def test_timms_default_probability_is_ours():
    for text, prob in (("RandAugment_N2_M7_S0.5", 0.5), ("RandAugment_N2_M7_P0.2", 0.2), ("RandAugment_M7_P1", 1)):
        assert {op.prob for (op,) in _stage(text).programs} == {prob}


def test_operations_filters_and_signs_are_equally_likely():
    num = 10_000
    stage = _stage("RandAugment_N3_M7_S0.5_P0.5")
    steps = [stage.steps(row) for row in _draws(stage, num)]
    assert abs(np.mean([len(row) for row in steps]) - 1.5) < 5 * np.sqrt(3 / 4 / num)
    flat = [(*_split(name), value) for row in steps for name, value in row]
    share = len(flat) / 15
    counts = Counter(name for name, _, _ in flat)
    assert set(counts) == set(RAND_OPS)
    assert max(abs(count - share) for count in counts.values()) < 5 * np.sqrt(share)
    for warp in WARPS:
        used = Counter((kind, value > 0) for name, kind, value in flat if name == warp)
        assert len(used) == 4 and max(abs(count - share / 4) for count in used.values()) < 5 * np.sqrt(share / 4)
    assert all((kind != "") == (name in WARPS) for name, kind, _ in flat)


def _levels(text):
    """Return the magnitudes of many turns; a turn is of 3 degrees a unit."""
    stage = _stage(text)
    steps = [step for row in _draws(stage, 20_000) for step in stage.steps(row)]
    return np.array([abs(value) / 3 for name, value in steps if name.startswith("rotate")])


def test_the_noise_is_normal():
    assert kstest(_levels("RandAugment_N2_M7_S0.5"), "norm", args=(7, 0.5)).pvalue > 1e-3
    np.testing.assert_allclose(_levels("RandAugment_N2_M6.5"), 6.5)


def test_the_noise_is_cut_off_at_both_ends():
    levels = _levels("RandAugment_N2_M5_S5")
    share = 0.158655  # of a normal law beyond one standard deviation
    for end in (0.0, 10.0):
        assert abs((levels == end).mean() - share) < 5 * np.sqrt(share / len(levels))
    inside = levels[(levels > 0) & (levels < 10)]
    assert kstest(inside, "truncnorm", args=(-1, 1, 5, 5)).pvalue > 1e-3


def test_the_ends_of_the_uniform_draw_have_a_level():
    (op,) = _stage("RandAugment_N2_M5_S0.5").programs[0]
    lowest, highest = op.level(0.0), op.level(1 - 2.0**-53)
    assert 0 < lowest < 2 and 8 < highest < 10 and op.level(0.5) == 5


def test_an_image_depends_on_seed_epoch_and_sample_only():
    augmentation = build_augmentation(load_cfg(None, _keys("RandAugment_N2_M7_S0.5_P1")))
    indices, states = np.arange(12), (random.getstate(), np.random.get_state()[1].tolist())

    def run(seed, epoch, indices):
        squares = np.repeat(np.asarray(PHOTO)[None], len(indices), axis=0)
        augmentation(squares, seed, epoch, indices)
        return squares

    first = run(1, 0, indices)
    assert np.array_equal(run(1, 0, indices), first)
    assert np.array_equal(run(1, 0, indices[5:6])[0], first[5])
    for other in (run(2, 0, indices), run(1, 1, indices)):
        assert (other != first).any(axis=(1, 2, 3)).mean() > 0.9
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RandAugment_N2_M11", r"a number from 0 to 10 as M, got 11; write M10, or set TRAIN\.AUGMENT_OPS torchvision"),
        ("RandAugment_N2_M9_S50", "a standard deviation from 0 to 10 as S, on M's scale, got 50; write S10"),
        ("AutoAugment", r"timm has no AutoAugment, only RandAugment; set TRAIN\.AUGMENT_OPS torchvision for all four"),
        ("TrivialAugment", "timm has no TrivialAugment, only RandAugment"),
        ("AugMix", "timm has no AugMix, only RandAugment"),
    ],
)
def test_what_is_not_here_is_an_error(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        _stage(text)
    assert "\n" not in str(caught.value)
