"""Crop laws against torchvision's own draws, and against recorded runs of pycls's function with scripted draws."""

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms import functional as F

from pycls.datasets.transforms.random_crop import (
    CROP_LAWS,
    NUM_DRAWS,
    NUM_TRIES,
    center_view,
    center_view_boxes,
    pycls_boxes,
    torchvision_boxes,
)
from pycls.datasets.transforms.rng import Stream, uniforms
from tests.helpers.crop_records import RECORDS, probe, synth

AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
NUM = 4000


def _boxes(law, height, width, area=AREA, aspect=ASPECT, num=NUM):
    draws = uniforms(5, Stream.BOX, 0, np.arange(num), NUM_DRAWS)
    return law(draws, np.full(num, float(height)), np.full(num, float(width)), area, aspect, 224)


def _torchvision_boxes(height, width, area=AREA, aspect=ASPECT):
    torch.manual_seed(0)
    image = torch.empty(1, height, width)
    return np.array([RandomResizedCrop.get_params(image, list(area), list(aspect)) for _ in range(NUM)], dtype=float)


@pytest.mark.parametrize("size", [(375, 500), (500, 333), (200, 420)])
def test_boxes_are_distributed_as_torchvisions(size):
    ours, theirs = _boxes(torchvision_boxes, *size), _torchvision_boxes(*size)
    area, aspect = (lambda b: b[:, 2] * b[:, 3]), (lambda b: np.log(b[:, 3] / b[:, 2]))
    for quantity in (area, aspect, *(lambda b, k=k: b[:, k] for k in range(4))):
        assert ks_2samp(quantity(ours), quantity(theirs)).pvalue > 1e-3


def test_boxes_are_whole_pixels_inside_the_image():
    for law in (torchvision_boxes, pycls_boxes):
        for height, width in ((375, 500), (1000, 60), (60, 1000), (1, 1), (8, 8)):
            top, left, box_h, box_w = _boxes(law, height, width).T
            assert np.array_equal(np.rint([top, left, box_h, box_w]), [top, left, box_h, box_w])
            assert min(top.min(), left.min()) >= 0 and min(box_h.min(), box_w.min()) >= 1
            assert (top + box_h).max() <= height and (left + box_w).max() <= width


def test_every_offset_is_equally_likely_the_last_included():
    top = _boxes(torchvision_boxes, 10, 10, area=(0.25, 0.25), aspect=(1, 1), num=12000)[:, 0]
    counts = np.bincount(top.astype(int))
    assert len(counts) == 6 and abs(counts - 2000).max() < 200


def test_pycls_never_uses_the_last_offset():
    top = _boxes(pycls_boxes, 10, 10, area=(0.25, 0.25), aspect=(1, 1), num=12000)[:, 0]
    assert np.bincount(top.astype(int)).shape == (5,)


@pytest.mark.parametrize("size", [(1000, 60), (60, 1000)])
def test_the_fallback_is_torchvisions(size):
    # An area above 1 fits nowhere, so that every call falls back.
    ours = _boxes(torchvision_boxes, *size, area=(2, 2), num=3)
    theirs = RandomResizedCrop.get_params(torch.empty(1, *size), [2.0, 2.0], list(ASPECT))
    assert ours.tolist() == [list(theirs)] * 3


def _scripted_draws(script):
    """Turn recorded draws (area, aspect, swap, ..., y, x) into the uniform numbers of our law."""
    draws = np.full(NUM_DRAWS, 0.5)
    floats = [entry for entry in script if entry[0] == "uniform"]
    for position, (_, limits, value) in enumerate(floats):
        low, high = limits or (0, 1)
        attempt, kind = divmod(position, 3)
        draws[kind * NUM_TRIES + attempt] = (value - low) / (high - low)
    for slot, (_, (low, high), value) in zip((-2, -1), script[len(floats) :], strict=True):
        draws[slot] = (value - low + 0.5) / (high - low)
    return draws[None]


@pytest.mark.parametrize("case", RECORDS["random_sized_crop"])
def test_pycls_law_equals_recorded_runs(case):
    height, width = case["image"]
    offsets = [entry for entry in case["draws"] if entry[0] == "randint"]
    (box,) = pycls_boxes(
        _scripted_draws(case["draws"]), np.array([height]), np.array([width]), AREA, ASPECT, case["size"]
    ).astype(int)
    assert box.tolist() == [offsets[0][2], offsets[1][2], height - offsets[0][1][1], width - offsets[1][1][1]]
    crop = synth(height, width)[box[0] : box[0] + box[2], box[1] : box[1] + box[3]].astype(np.float32) / 255
    pixels = cv2.resize(crop, (case["size"], case["size"]), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(probe(pixels), case["probe_5x5"], atol=1e-4)


def test_pycls_fallback_is_the_center_square_within_a_pixel():
    (box,) = _boxes(pycls_boxes, 333, 500, area=(2, 2), num=1).astype(int)
    assert box[[0, 2, 3]].tolist() == [0, 333, 333]
    red = synth(333, 500)[:, box[1] : box[1] + 333, 0].astype(np.float32) / 255
    expected = np.array(RECORDS["fallback_333x500_size224"])[:, 0]
    assert abs(cv2.resize(red, (224, 224))[0, 0] - expected[0]) < 1 / 499  # red rises by 1 / 499 a pixel


@pytest.mark.parametrize("resize, size", [(256, 224), (232, 224), (32, 32), (33, 30), (274, 240)])
def test_center_view_is_torchvisions(resize, size):
    for height, width in ((375, 500), (500, 333), (333, 500), (256, 256), (257, 256), (41, 1000), (683, 1024), (8, 8)):
        resized = F.resize(torch.zeros(1, height, width), [resize], antialias=True).shape[1:]
        ramp = torch.arange(resized[0] * resized[1]).view(1, *resized)
        top, left = divmod(int(F.center_crop(ramp, [size, size])[0, 0, 0]), resized[1])
        geometry = [int(value[0]) for value in center_view(np.array([height]), np.array([width]), resize, size)]
        assert geometry == [*resized, top, left], (height, width)


def test_center_view_boxes_are_the_same_region_in_source_pixels():
    (box,) = center_view_boxes(np.array([500.0]), np.array([333.0]), 256, 224)
    # 333 -> 256 across, 500 -> 384 (truncated from 384.38) down; crop offsets 16 and 80
    np.testing.assert_allclose(box, [80 * 500 / 384, 16 * 333 / 256, 224 * 500 / 384, 224 * 333 / 256])


@pytest.mark.parametrize("aspect", [(1000.0, 1000.0), (0.001, 0.001)])
@pytest.mark.parametrize("law", CROP_LAWS)
def test_the_thinnest_crops_have_a_pixel(law, aspect):
    draws, sides = np.full((1, NUM_DRAWS), 0.5), np.array([8.0])
    box = CROP_LAWS[law](draws, sides, sides, (1e-4, 1e-4), aspect, 8)[0]
    assert min(box[2:]) >= 1 and max(box[2:]) <= 8
