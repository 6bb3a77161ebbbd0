"""Normalization against torchvision's, and lighting against recorded runs of pycls's function."""

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from pycls.datasets.imagenet import MEAN, STD
from pycls.datasets.transforms import normalize
from pycls.datasets.transforms.normalize import Normalize, lighting_shift
from tests.helpers.crop_records import RECORDS

CPU = torch.device("cpu")
IMAGES = torch.arange(256, dtype=torch.uint8).repeat(9).view(3, 16, 16, 3)


def _torchvision(images):
    planes = images.permute(0, 3, 1, 2)
    return v2.Normalize(MEAN, STD)(v2.ToDtype(torch.float32, scale=True)(planes))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("gray", [False, True])
def test_it_equals_torchvisions_normalize(channels_last, gray):
    images = IMAGES[..., :1].expand(-1, -1, -1, 3) if gray else IMAGES
    batch = Normalize(MEAN, STD, CPU, channels_last)(images)
    assert batch.dtype == torch.float32 and batch.shape == (3, 3, 16, 16)
    assert batch.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    torch.testing.assert_close(batch, _torchvision(images), atol=2e-6, rtol=0, check_stride=False)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
def test_large_batches_on_the_cpu_get_the_same_bits(channels_last, shifted, monkeypatch):
    images = torch.randint(0, 256, (3, 37, 37, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([[0.1, 0.0, -0.2], [0, 0, 0], [0.01, 0.02, 0.03]]) if shifted else None
    small = Normalize(MEAN, STD, CPU, channels_last)(images, shift)
    monkeypatch.setattr(normalize, "_LARGE", 0)
    large = Normalize(MEAN, STD, CPU, channels_last)(images, shift)
    assert torch.equal(large, small) and large.stride() == small.stride()


def test_the_input_is_left_as_it_is():
    images = IMAGES.clone()
    Normalize(MEAN, STD, CPU)(images)
    assert torch.equal(images, IMAGES)


def test_the_shift_is_added_in_units_of_0_to_1():
    shift = torch.tensor([[0.1, 0.0, -0.2], [0, 0, 0], [0.01, 0.02, 0.03]])
    batch = Normalize(MEAN, STD, CPU)(IMAGES, shift)
    expected = _torchvision(IMAGES) + (shift / torch.tensor(STD))[:, :, None, None]
    torch.testing.assert_close(batch, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("case", RECORDS["lighting"])
def test_lighting_equals_recorded_runs(case):
    shift = lighting_shift(np.array([case["alpha"]], dtype=np.float32))
    assert shift.dtype == np.float32
    np.testing.assert_allclose(shift, [case["rgb_shift"]], atol=1e-7)
