"""The color jitter of CutMix's and IDML's code: their numbers, its law, and its place before lighting."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, uniform

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.imagenet import MEAN, STD
from pycls.datasets.transforms.augment import build_augmentation
from pycls.datasets.transforms.float_color_jitter import jitter_amounts, jitter_map
from pycls.datasets.transforms.normalize import Normalize
from tests.helpers.model_records import load_record

CPU = torch.device("cpu")
RECORD = load_record("float_jitter.json")
KINDS = ("Brightness", "Contrast", "Saturation")
STRENGTHS = (0.4, 0.3, 0.2)
STYLE = ["TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0]", "TRAIN.COLOR_JITTER_STYLE", "cutmix"]


def written_out(image, amounts):
    """Jitter float64 (3, H, W) one turn after the other; amounts (3, 3): a turn's brightness, contrast, saturation."""
    for amount in amounts.double():
        gray = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        towards = (torch.zeros_like(image), gray.mean().expand_as(image), gray.expand_as(image))
        (kind,) = amount.nonzero().flatten().tolist()
        image = image + amount[kind] * (towards[kind] - image)
    return image


@pytest.mark.parametrize("name", RECORD["cases"])
def test_it_equals_recorded_runs(name):
    kind, alpha = name.split("_alpha")
    image = torch.tensor(RECORD["image"]).view(1, 3, 4)
    amounts = torch.zeros(1, 3, 3)
    amounts[0, 1, KINDS.index(kind)] = float(alpha)
    matrix, shift = jitter_map(amounts, image.mean(2))
    found = matrix @ image + shift[:, :, None]
    torch.testing.assert_close(found.flatten(), torch.tensor(RECORD["cases"][name]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels_last", [False, True])
def test_turns_lighting_and_normalization_follow_each_other(channels_last):
    images = torch.randint(0, 256, (12, 9, 9, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    amounts = torch.from_numpy(jitter_amounts(STRENGTHS, 1, 0, np.arange(12)))
    shift = torch.linspace(-0.1, 0.1, 36).view(12, 3)
    found = Normalize(MEAN, STD, CPU, channels_last)(images, jitter=amounts, shift=shift)
    floats = images.permute(0, 3, 1, 2).double() / 255
    jittered = torch.stack([written_out(image, amount) for image, amount in zip(floats, amounts, strict=True)])
    assert jittered.min() < 0 and jittered.max() > 1, "nothing is cut off"
    mean, std = (torch.tensor(color).double().view(3, 1, 1) for color in (MEAN, STD))
    wanted = (jittered + shift[:, :, None, None] - mean) / std
    torch.testing.assert_close(found.double(), wanted, atol=5e-6, rtol=0)
    assert found.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_gives_the_same_colors():
    images = torch.randint(0, 256, (12, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    amounts = torch.from_numpy(jitter_amounts(STRENGTHS, 1, 0, np.arange(12)))
    found = Normalize(MEAN, STD, torch.device("cuda"))(images.cuda(), jitter=amounts.cuda())
    torch.testing.assert_close(found.cpu(), Normalize(MEAN, STD, CPU)(images, jitter=amounts), atol=1e-5, rtol=0)


def test_amounts_and_orders_follow_the_law():
    amounts = jitter_amounts(STRENGTHS, 1, 0, np.arange(6000))
    assert ((amounts != 0).sum(axis=1) == 1).all() and ((amounts != 0).sum(axis=2) == 1).all()
    for kind, strength in enumerate(STRENGTHS):
        assert kstest(amounts.sum(axis=1)[:, kind], uniform(-strength, 2 * strength).cdf).pvalue > 1e-3
    orders = Counter(map(tuple, (amounts != 0).argmax(axis=2)))
    assert set(orders) == set(permutations(range(3)))
    assert max(abs(count - 1000) for count in orders.values()) < 5 * np.sqrt(1000)
    chosen = np.array([77, 5, 3000])
    assert (jitter_amounts(STRENGTHS, 1, 0, chosen) == amounts[chosen]).all()
    assert (jitter_amounts(STRENGTHS, 1, 1, chosen) != amounts[chosen]).any()


def test_training_batches_are_jittered_on_the_device_and_others_are_not():
    words = ["MODEL.NUM_CLASSES", "10", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32", "TRAIN.BATCH_SIZE", "64"]
    for phase in ("TRAIN", "TEST"):
        words += [f"{phase}.DATASET", "digits"]
    cfgs = {name: load_cfg(None, [*words, *more]) for name, more in (("plain", []), ("jittered", STYLE))}
    assert build_augmentation(cfgs["jittered"]) is None
    batches = {}
    for name, cfg in cfgs.items():
        for phase in ("train", "test"):
            loader = build_loader(cfg, phase, CPU)
            batches[name, phase] = next(iter(loader.epoch(0)))
            scale, bias = loader.finish.scale, loader.finish.bias
            loader.close()
    assert torch.equal(batches["plain", "test"].images, batches["jittered", "test"].images)
    plain, jittered = (batches[name, "train"] for name in cfgs)
    amounts = torch.from_numpy(jitter_amounts((0.4, 0.4, 0.4), cfgs["plain"].RNG_SEED, 0, plain.indices.numpy()))
    pixels = ((plain.images - bias) / scale).double().round()
    wanted = torch.stack([written_out(image, amount) for image, amount in zip(pixels, amounts, strict=True)])
    torch.testing.assert_close(jittered.images.double(), wanted * scale + bias, atol=1e-4, rtol=0)


def test_there_is_no_hue():
    with pytest.raises(ValueError, match=r"TRAIN\.COLOR_JITTER_STYLE cutmix has no hue.*\[0\.4, 0\.4, 0\.4, 0\.1\]"):
        load_cfg(None, [*STYLE, "TRAIN.COLOR_JITTER", "[0.4, 0.4, 0.4, 0.1]"])
    with pytest.raises(ValueError, match=r"TRAIN\.COLOR_JITTER_STYLE.*did you mean 'cutmix'"):
        load_cfg(None, ["TRAIN.COLOR_JITTER_STYLE", "cutmx"])
