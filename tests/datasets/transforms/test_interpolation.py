"""TRAIN.INTERPOLATION and TEST.INTERPOLATION: who resizes with what, and what is refused. The pixels: other files."""

from dataclasses import replace

import numpy as np
import pytest

from pycls.core.config import load_cfg
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import build_view, filters, flips
from pycls.engine.checks import check_supported
from tests.helpers.backends import make_view
from tests.helpers.runs import tiny_cfg

INDICES = np.arange(20_000)


def test_random_takes_either_filter_half_the_time_as_a_function_of_the_image():
    view = make_view(interpolation="random")
    drawn = filters(view, 3, INDICES)
    assert set(drawn.tolist()) == {Filter.BILINEAR, Filter.BICUBIC}
    assert abs((drawn == Filter.BICUBIC).mean() - 0.5) < 0.015
    assert (filters(view, 3, INDICES[::-7]) == drawn[::-7]).all()
    assert abs(np.corrcoef(filters(view, 4, INDICES), drawn)[0, 1]) < 0.03
    assert abs(np.corrcoef(flips(view, 3, INDICES), drawn)[0, 1]) < 0.03


@pytest.mark.parametrize(("name", "kind"), [("bilinear", Filter.BILINEAR), ("bicubic", Filter.BICUBIC)])
def test_a_named_filter_is_that_of_every_image(name, kind):
    view = make_view(interpolation=name)
    assert (filters(view, 0, INDICES) == kind).all()
    assert (filters(replace(view, antialias=False), 0, INDICES) == Filter.PLAIN).all()


def test_training_and_evaluation_have_keys_of_their_own():
    cfg = load_cfg(None, ["TRAIN.INTERPOLATION", "random", "TEST.INTERPOLATION", "bicubic"])
    assert [build_view(cfg, phase).interpolation for phase in ("train", "test")] == ["random", "bicubic"]
    assert {build_view(load_cfg(None), phase).interpolation for phase in ("train", "test")} == {"bilinear"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["TRAIN.INTERPOLATION", "bicubc"], r"TRAIN\.INTERPOLATION: unknown choice 'bicubc'.*did you mean 'bicubic'"),
        (["TEST.INTERPOLATION", "random"], r"TEST\.INTERPOLATION: unknown choice 'random'.*bilinear, bicubic"),
        (
            ["TRAIN.INTERPOLATION", "random", "DATA_LOADER.ANTIALIAS", "False"],
            r"TRAIN\.INTERPOLATION random needs DATA_LOADER\.ANTIALIAS True",
        ),
        (
            ["TEST.INTERPOLATION", "bicubic", "DATA_LOADER.ANTIALIAS", "False"],
            r"TEST\.INTERPOLATION bicubic needs DATA_LOADER\.ANTIALIAS True",
        ),
    ],
)
def test_wrong_values_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        load_cfg(None, words)


def test_images_of_one_size_are_not_resized(tmp_path):
    with pytest.raises(ValueError, match=r"TRAIN\.INTERPOLATION bicubic: cifar10 is not resized"):
        check_supported(tiny_cfg(tmp_path, TRAIN__DATASET="cifar10", TRAIN__INTERPOLATION="bicubic"))
