"""Color jitter against torchvision's transform and its law."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import kstest, uniform
from torchvision.transforms import v2

from pycls.core.config import load_cfg
from pycls.datasets.transforms.augment import build_augmentation
from pycls.datasets.transforms.color_jitter import ColorJitter
from pycls.datasets.transforms.rng import Stream, uniforms
from tests.helpers.photographs import load

PHOTO = load("astronaut.png", (48, 48))
NAMES = ["brightness", "contrast", "saturation", "hue"]
DRAWS = uniforms(1, Stream.COLOR_JITTER, 0, np.arange(5000), ColorJitter.num_draws)


@pytest.mark.parametrize("strengths", [(0.4, 0.4, 0.4, 0.1), (0.0, 0.8, 0.0, 0.5), (2.0, 0.0, 0.0, 0.0)])
def test_it_equals_torchvisions(strengths):
    stage, transform = ColorJitter(strengths), v2.ColorJitter(*strengths)
    for row in DRAWS[:40]:
        steps = stage.steps(row)
        params = {f"{name}_factor": None for name in NAMES} | {f"{name}_factor": value for name, value in steps}
        params["fn_idx"] = [NAMES.index(name) for name, _ in steps]
        assert np.array_equal(stage(PHOTO, row), transform.transform(PHOTO, params))


def test_factors_and_orders_follow_torchvisions_law():
    steps = [ColorJitter((0.4, 2.0, 0.3, 0.1)).steps(row) for row in DRAWS]
    limits = {"brightness": (0.6, 1.4), "contrast": (0, 3), "saturation": (0.7, 1.3), "hue": (-0.1, 0.1)}
    for name, (low, high) in limits.items():
        values = [dict(row)[name] for row in steps]
        assert kstest(values, uniform(low, high - low).cdf).pvalue > 1e-3, name
    orders = Counter(tuple(name for name, _ in row) for row in steps)
    assert set(orders) == set(permutations(NAMES))
    assert max(abs(count - 5000 / 24) for count in orders.values()) < 5 * np.sqrt(5000 / 24)


def test_zeros_are_left_out():
    assert [name for name, _ in ColorJitter((0.0, 0.3, 0.0, 0.0)).steps(DRAWS[0])] == ["contrast"]
    assert build_augmentation(load_cfg(None, ["TRAIN.COLOR_JITTER", "[0, 0, 0, 0]"])) is None


def test_it_comes_after_the_policy():
    cfg = load_cfg(None, ["TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0]", "TRAIN.AUGMENT", "TrivialAugment"])
    assert [stage.stream for stage in build_augmentation(cfg).stages] == [Stream.AUGMENT, Stream.COLOR_JITTER]
