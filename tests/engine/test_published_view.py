"""A view other than that of published weights is told, before its figures mislead."""

import pytest

from pycls.core.config import load_cfg
from pycls.engine import weights_file
from tests.helpers.paths import CONFIGS

CONFIG = str(CONFIGS / "torchvision/resnet50.yaml")


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        ([], 0),
        (["TEST.WEIGHTS", "runs/mine/best.pyth", "TEST.IM_SIZE", "300"], 0),
        (["TEST.WEIGHTS", "torchvision://resnet50/IMAGENET1K_V2"], 1),
        (["TEST.WEIGHTS", "torchvision://resnet50/IMAGENET1K_V2", "TEST.IM_SIZE", "232"], 0),
        (["TRAIN.IM_SIZE", "192", "DATA_LOADER.ANTIALIAS", "False"], 2),
    ],
)
def test_each_difference_is_a_warning(words, warnings, monkeypatch):
    cfg, lines = load_cfg(CONFIG, words), []
    monkeypatch.setattr(weights_file.logger, "warning", lambda text, *values: lines.append(text % values))
    weights_file.warn_of_other_view(cfg.TEST.WEIGHTS, cfg)
    assert len(lines) == warnings
    assert all("published with" in line for line in lines)
