"""CIFAR-shaped data, cropped, mirrored and mixed on the device, keep a network busy: the loop does not wait."""

import numpy as np
import pytest
import torch

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.readers.samples import ArraySamples
from pycls.engine.profiling.loader import time_end_to_end
from tests.helpers.paths import CONFIGS


def wait_pct(config, device, *words):
    """Return the percent of time that training steps on random CIFAR-shaped images wait for data."""
    cfg = load_cfg(str(CONFIGS / config), list(words))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (50000, 32, 32, 3), dtype=np.uint8)
    samples = ArraySamples(images, np.arange(50000) % cfg.MODEL.NUM_CLASSES, tuple("0123456789"), "random")
    loader = build_loader(cfg, "train", device, samples)
    return time_end_to_end(loader, cfg, device)[1]


@pytest.mark.gpu
def test_a_gpu_does_not_wait_for_cifar():
    config = "pyramidnet/PyramidNet-200-a240-cifar10-cutmix.yaml"
    assert wait_pct(config, torch.device("cuda"), "TRAIN.MIXED_PRECISION", "True") < 2
