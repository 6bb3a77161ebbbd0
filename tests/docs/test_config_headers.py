"""The command in a config's header starts what it says: words, config and data are read as far as the first image.

One config of each kind of data set is trained to the end, and what is no training or evaluation is run.
"""

import pytest

from pycls.datasets import build_samples
from pycls.engine.pixels.other_view import other_view
from pycls.engine.reporting.result import Result
from pycls.engine.train import check_training
from tests.helpers.documented.find import commands_of_header, config_files, name_of
from tests.helpers.documented.play import do
from tests.helpers.documented.words import kind_of

# ImageNet, digits and Fashion-MNIST are trained on by commands of the pages.
TO_THE_END = {"configs/cifar/R-56.yaml", "configs/cutmix/R-110-cifar100.yaml"}
NO_COMMAND = {"configs/fashion_mnist/methods"}  # folders whose configs are parts of others


def start(cfg):
    """Stand in for training and evaluation: do what comes before a network is built."""
    check_training(cfg)  # but for the network, which tests/models/test_model_configs.py builds
    for phase in ("train", "test"):
        assert len(build_samples(cfg, phase))
    line = other_view(cfg.TEST.WEIGHTS, {}, cfg, "")  # sizes are made small
    assert not any(word in line for word in ("ANTIALIAS", "INTERPOLATION", "mean", "deviation")), line
    return Result()


@pytest.mark.parametrize("path", config_files(), ids=name_of)
def test_the_commands_of_a_header(path, stage_of, monkeypatch):
    commands = commands_of_header(path)
    assert commands or any(path.is_relative_to(folder) for folder in NO_COMMAND), "a header says how to use its file"
    for command in commands:
        starts = kind_of(command.text.split()) in ("train", "test") and command.page not in TO_THE_END
        with monkeypatch.context() as patch:
            if starts:
                patch.setitem(check_training.__globals__, "check_network", lambda cfg: None)
                patch.setattr("pycls.engine.train", start)
                patch.setattr("pycls.engine.test", start)
            do(command, stage_of("started" if starts else command.page))
