"""TRAIN.AUGMENT taken apart, and what a mistake in it is answered with."""

import pytest

from pycls.core.config import load_cfg
from pycls.core.config.augment_spec import parse_augment


def test_names_and_numbers():
    assert parse_augment("") is None
    assert parse_augment("AutoAugment").policy == "AutoAugment"
    assert parse_augment("RandAugment_N3_M12") == ("RandAugment", 3, 12, None, None)
    assert parse_augment("RandAugment_M0.5_N1_P0.25") == ("RandAugment", 1, 0.5, 0.25, None)
    assert parse_augment("RandAugment_N2_M7_S0.5_P0.5") == ("RandAugment", 2, 7, 0.5, 0.5)
    assert parse_augment("RandAugment_M9").num_ops == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("autoaugment", "unknown choice 'autoaugment', did you mean 'AutoAugment'"),
        ("RandAug", "did you mean 'RandAugment_N2_M9'"),
        ("Trivial", "did you mean 'TrivialAugment'"),
        ("Randaugment_N2_M9", "did you mean 'RandAugment_N2_M9'"),
        ("mixup", "choices: AutoAugment, RandAugment_N2_M9, TrivialAugment, AugMix"),
        ("AutoAugment_M0.5", "takes no numbers, got 'AutoAugment_M0.5'; write AutoAugment"),
        ("RandAugment", "gives no magnitude; write RandAugment_M9"),
        ("RandAugment_N2", "gives no magnitude; write RandAugment_N2_M9"),
        ("RandAugment_X3", "'X3' in 'RandAugment_X3' is not understood; write RandAugment_N2_M9"),
        ("RandAugment_N2_M-1", "'M-1' in"),
        ("RandAugment_N2_N3_M9", "'N3' in"),
        ("RandAugment_N2_M9_S-1", "'S-1' in"),
        ("RandAugment_N0_M9", "N in 'RandAugment_N0_M9' must be a whole number"),
        ("RandAugment_N101_M9", "N in 'RandAugment_N101_M9' must be a whole number of operations, 1 to 100"),
        ("RandAugment_N1.5_M9", "N in 'RandAugment_N1.5_M9' must be a whole number"),
        ("RandAugment_N2_M9_P2", "P in 'RandAugment_N2_M9_P2' must be a probability"),
    ],
)
def test_mistakes_are_answered_when_the_config_is_loaded(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_cfg(None, ["TRAIN.AUGMENT", text])
    assert str(caught.value).startswith("command line: TRAIN.AUGMENT") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4]"),
        ("TRAIN.COLOR_JITTER", "[0.4, -0.1, 0, 0]"),
        ("TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.6]"),
        ("TRAIN.COLOR_JITTER", "[a, b, c, d]"),
        ("TRAIN.COLOR_JITTER", "[nan, 0, 0, 0]"),
        ("TRAIN.RANDOM_ERASE", "1.5"),
        ("TRAIN.RANDOM_ERASE", "-0.1"),
        ("TRAIN.AUGMENT_OPS", "timmm"),
        ("TRAIN.AUGMENT_INTERPOLATION", "bicubic"),
    ],
)
def test_other_keys_are_checked_too(key, value):
    with pytest.raises(ValueError, match=key):
        load_cfg(None, [key, value])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "bilinear does nothing without TRAIN.AUGMENT; set one of AutoAugment, "),
        (
            ["TRAIN.AUGMENT", "AutoAugment", "TRAIN.AUGMENT_OPS", "pycls"],
            "is for TRAIN.AUGMENT_OPS torchvision, got pycls",
        ),
        (["TRAIN.AUGMENT", "RandAugment_M7", "TRAIN.AUGMENT_OPS", "timm"], "torchvision, got timm.*; leave it empty"),
    ],
)
def test_an_interpolation_that_nothing_would_follow_is_an_error(keys, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_cfg(None, [*keys, "TRAIN.AUGMENT_INTERPOLATION", "bilinear"])
    assert str(caught.value).startswith("command line: TRAIN.AUGMENT_INTERPOLATION bilinear") and "\n" not in str(
        caught.value
    )


def test_keys_of_pytorch_cls_name_ours():
    with pytest.warns(UserWarning, match=r"use TRAIN\.COLOR_JITTER"):
        load_cfg(None, ["DATA_LOADER.COLOR_JITTER", "True"])
