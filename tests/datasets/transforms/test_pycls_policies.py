"""pycls's operators and policies against recorded runs of its own code, and the draws against its laws."""

import hashlib
import json
import random
from collections import Counter

import numpy as np
import PIL
import pytest
from PIL import Image

from pycls.core.config import load_cfg
from pycls.datasets.transforms.augment import build_augmentation
from pycls.datasets.transforms.pycls_ops import OPERATORS
from pycls.datasets.transforms.pycls_policies import AUTO_POLICY, RAND_OPS
from pycls.datasets.transforms.rng import uniforms
from tests.helpers.crop_records import probe, synth
from tests.helpers.paths import RECORDS

RECORDS = json.loads((RECORDS / "augment.json").read_text())
IMAGE = Image.fromarray(synth(96, 128))
LOW_CONTRAST = Image.fromarray((synth(96, 128) // 2 + 40).astype(np.uint8))


def _check(image, case):
    pixels = np.array(image)
    assert pixels.shape == (96, 128, 3)
    assert abs(pixels.mean() - case["mean"]) < 0.02
    if "probe_5x5" in case:
        np.testing.assert_allclose(probe(pixels), case["probe_5x5"], atol=1)
    if PIL.__version__ == RECORDS["pillow"]:
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == case["sha256"]


def apply_op(name, image, magnitude, negate=False):
    """Apply one operator with a magnitude from 0 to 1; `negate` takes the other direction of a signed one."""
    operator = OPERATORS[name]
    value = operator.value(magnitude)
    return operator.apply(image, -value if negate and operator.signed else value)


@pytest.mark.parametrize("name", RECORDS["ops"])
def test_operators_equal_recorded_runs(name):
    record, operator = RECORDS["ops"][name], OPERATORS[name]
    assert ([operator.low, operator.high], operator.signed) == (record["range"], record["negate"])
    for case in record["cases"]:
        _check(apply_op(name, IMAGE, case["magnitude"], negate=case["sign"] < 0), case)


@pytest.mark.parametrize("name", RECORDS["low_contrast"])
def test_operators_equal_recorded_runs_on_a_dull_image(name):
    for case in RECORDS["low_contrast"][name]:
        _check(apply_op(name, LOW_CONTRAST, case["magnitude"]), case)


NEUTRAL = {name: 0.0 for name in RAND_OPS if name not in ("auto_contrast", "equalize", "invert", "posterize_inc")}
NEUTRAL |= dict.fromkeys(("color", "contrast", "brightness", "sharpness"), 0.5) | {"solarize": 1.0}


@pytest.mark.parametrize("name", NEUTRAL)
def test_the_neutral_magnitude_changes_nothing(name):
    assert np.array_equal(apply_op(name, LOW_CONTRAST, NEUTRAL[name]), LOW_CONTRAST)


def test_the_policies_are_those_recorded():
    assert [[list(op) for op in pair] for pair in AUTO_POLICY] == RECORDS["autoaugment_policy"]
    assert list(RAND_OPS) == RECORDS["randaugment_ops"]


def _as_pycls(operations):
    """Do (name, prob, magnitude) on the image with Python's random numbers, in the order in which pycls takes them."""
    image = IMAGE
    for name, prob, magnitude in operations:
        if prob < 1 and random.random() > prob:
            continue
        image = apply_op(name, image, magnitude, OPERATORS[name].signed and random.random() > 0.5)
    return image


@pytest.mark.parametrize("case", RECORDS["seeded"]["auto"], ids=lambda case: str(case["seed"]))
def test_auto_augment_equals_seeded_runs(case):
    random.seed(case["seed"])
    _check(_as_pycls(random.choice(AUTO_POLICY)), case)


@pytest.mark.parametrize("case", RECORDS["seeded"]["rand"], ids=lambda case: f"{case['string']}-{case['seed']}")
def test_rand_augment_equals_seeded_runs(case):
    random.seed(case["seed"])
    np.random.seed(case["seed"])
    num_ops, magnitude, prob = {"N2_M0.5": (2, 0.5, 1.0), "N3_M0.9_P0.5": (3, 0.9, 0.5)}[case["string"][12:]]
    names = [str(name) for name in np.random.choice(RAND_OPS, num_ops)]
    _check(_as_pycls([(name, prob, magnitude) for name in names]), case)


def _stage(text):
    cfg = load_cfg(None, ["TRAIN.AUGMENT", text, "TRAIN.AUGMENT_OPS", "pycls"])
    return build_augmentation(cfg).stages[0]


def _all_steps(stage, num):
    return [stage.steps(row) for row in uniforms(1, stage.stream, 0, np.arange(num), stage.num_draws)]


def test_rand_augment_draws_by_pycls_law():
    num = 6000
    steps = _all_steps(_stage("RandAugment_N3_M0.9_P0.5"), num)
    assert abs(np.mean([len(row) for row in steps]) - 1.5) < 5 * np.sqrt(3 / 4 / num)
    flat = [step for row in steps for step in row]
    counts = Counter(name for name, _ in flat)
    assert set(counts) == set(RAND_OPS)
    share = len(flat) / 15
    assert max(abs(count - share) for count in counts.values()) < 5 * np.sqrt(share)
    turns = np.array([value for name, value in flat if name == "rotate"])
    assert set(turns) == {-27.0, 27.0} and abs((turns > 0).mean() - 0.5) < 5 * 0.5 / np.sqrt(len(turns))
    assert {value for name, value in flat if name == "solarize_add"} == {99.0}  # never negated


def test_auto_augment_draws_by_pycls_law():
    num = 10_000
    counts = Counter(tuple(name for name, _ in row) for row in _all_steps(_stage("AutoAugment"), num))
    expected = Counter()
    for (first, p, _), (second, q, _) in AUTO_POLICY:
        expected[first, second] += p * q / 25
        expected[first,] += p * (1 - q) / 25
        expected[second,] += (1 - p) * q / 25
        expected[()] += (1 - p) * (1 - q) / 25
    assert set(counts) <= set(expected)
    for names, prob in expected.items():
        assert abs(counts[names] - num * prob) <= 5 * np.sqrt(num * prob * (1 - prob)), names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RandAugment_N2_M9", r"a number from 0 to 1 as M, got 9; write M0\.3, or set TRAIN\.AUGMENT_OPS torchvision"),
        ("RandAugment_N2_M0.5_S0.1", r"pycls's RandAugment has no S, got S0\.1; .* set TRAIN\.AUGMENT_OPS timm"),
        ("TrivialAugment", r"pycls has no TrivialAugment, only .*set TRAIN\.AUGMENT_OPS torchvision"),
        ("AugMix", "pycls has no AugMix, only AutoAugment and RandAugment"),
    ],
)
def test_what_pycls_does_not_have_is_an_error(text, words):
    with pytest.raises(ValueError, match=words):
        _stage(text)
