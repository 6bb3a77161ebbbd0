"""Scaling rules against pycls's own numbers (records/scaler.json) and what they promise beyond them."""

import pytest

from pycls.models.scaler import (
    Factors,
    scale_depths,
    scale_group,
    scale_size,
    scale_width,
    scale_widths,
    scaling_factors,
)
from tests.helpers.model_records import load_record


@pytest.mark.parametrize("case", load_record("scaler.json")["factors"], ids=str)
def test_factors_are_those_of_pycls(case):
    wanted = Factors(depth=case["d"], width=case["w"], group=case["g"], resolution=case["r"])
    assert scaling_factors(case["type"], case["factor"]) == wanted


@pytest.mark.parametrize("kind", ["x", "dd", "d1_d2", "d1w8", "d-1", "d1_w", "dwr2", "d1_8"])
def test_unknown_words(kind):
    with pytest.raises(ValueError, match=rf"MODEL\.SCALING_TYPE.*got '{kind}'"):
        scaling_factors(kind, 2.0)


@pytest.mark.parametrize("factor", [0, -1.0, 1e9, 1e-9, float("nan"), float("inf")])
def test_a_factor_has_a_range(factor):
    with pytest.raises(ValueError, match=r"MODEL\.SCALING_FACTOR must lie between 0\.001 and 1000, got "):
        scaling_factors("dwr", factor)


def test_rounding():
    assert scale_depths([1, 2, 7], 0.3) == [1, 1, 2]
    assert [scale_width(24, factor) for factor in (0.01, 0.5, 1.5, 2)] == [8, 16, 32, 48]  # 12 rounds to 16, 36 to 32
    assert [scale_group(group, 2) for group in (1, 2, 8, 10)] == [2, 4, 16, 16]  # 20 rounds to 16
    assert [scale_size(size, 1.1) for size in (224, 256)] == [248, 280]


def test_what_is_not_scaled_is_not_rounded():
    """pycls makes 16, 16, 32, 96 with groups of 4, 8, 16, 16 of these, at factor 1."""
    widths, groups = [12, 20, 36, 100], [3, 6, 12, 20]
    assert scale_widths(widths, [1.0] * 4, groups, Factors(depth=2.0, resolution=2.0)) == (widths, groups)
    assert (scale_width(20, 1.0), scale_group(6, 1.0), scale_size(225, 1.0)) == (20, 6, 225)


def test_one_group_stays_one_group():
    """pycls leaves all groups at 64 and the widths snap back to them: nothing grows."""
    widths, groups = scale_widths([256, 512], [0.25, 0.25], [64, 128], Factors(width=2.0**0.5))
    assert (widths, groups) == ([360, 728], [90, 182])


def test_groups_keep_their_width_and_divide():
    widths, groups = scale_widths([128, 192], [1.0, 1.0], [64, 64], Factors(width=1.4))
    assert (widths, groups) == ([192, 256], [64, 64])
