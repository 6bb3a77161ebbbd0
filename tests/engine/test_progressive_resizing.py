"""Progressive resizing: FFCV's sizes, runs whose squares change, and what cannot follow a schedule."""

import pytest
import torch

from pycls.core.checkpoint import last_path
from pycls.core.config import load_cfg
from pycls.engine import train
from pycls.engine.progressive_resizing import check_schedule, scheduled_im_size
from pycls.models import MODELS
from tests.helpers.runs import tiny_cfg


def test_sizes_are_those_of_ffcv_s_ramp():
    points = [[35, 160], [51, 192], [60, 256]]
    sizes = [scheduled_im_size(points, epoch, 224) for epoch in (0, 35, 42, 44, 51, 53, 56, 60, 87)]
    assert sizes == [160, 160, 160, 192, 192, 192, 224, 256, 256]
    assert scheduled_im_size([], 7, 224) == 224
    assert [scheduled_im_size([[2, 144], [6, 176]], epoch, 224) for epoch in (0, 2, 4, 6, 9)] == [
        144,
        144,
        160,
        176,
        176,
    ]


def test_sizes_that_are_written_are_exact():
    assert {scheduled_im_size([[0, 176]], epoch, 224) for epoch in (0, 5, 599)} == {176}
    sizes = [scheduled_im_size([[2, 100], [4, 100], [10, 250]], epoch, 224) for epoch in (0, 3, 4, 5, 7, 10, 11)]
    assert sizes == [100, 100, 100, 128, 160, 250, 250]
    # 200 is written elsewhere: on the way from 100 to 300 it is a size between two points.
    assert [scheduled_im_size([[0, 100], [10, 300], [20, 200]], epoch, 224) for epoch in (5, 10, 20)] == [192, 300, 200]


class Spy(torch.nn.Module):
    """Note the sides of what it sees in training."""

    def __init__(self, seen):
        super().__init__()
        self.seen, self.fc = seen, torch.nn.Linear(3, 10)

    def forward(self, x):
        self.seen.append((self.training, x.shape[-1]))
        return self.fc(x.mean((2, 3)))


def test_a_run_follows_its_schedule_and_evaluates_at_its_own_size(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(MODELS, "anynet", lambda cfg: Spy(seen))
    keys = {"TRAIN__IM_SIZE_SCHEDULE": [[0, 32], [1, 64], [2, 96]], "TRAIN__IM_SIZE": 48, "TEST__IM_SIZE": 48}
    keys |= {"BN__USE_PRECISE_STATS": False, "OPTIM__EMA_UPDATE_PERIOD": 0}
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=2, **keys))
    train(tiny_cfg(tmp_path, OPTIM__MAX_EPOCH=3, **keys))
    sizes = [size for training, size in seen if training]
    steps = len(sizes) // 3
    assert sizes == [32] * steps + [64] * steps + [96] * steps
    assert {size for training, size in seen if not training} == {48}
    assert torch.load(last_path(tmp_path), weights_only=True)["position"]["epoch"] == 3


@pytest.mark.parametrize("points", [[1, 2], [[0, 8]], [[3, 64], [3, 96]], [[0, "a"]], [[0, 64.5]]])
def test_what_is_no_schedule_is_refused(tmp_path, points):
    with pytest.raises(ValueError, match=r"IM_SIZE_SCHEDULE must be (\[\[epoch, pixels\]|pairs of numbers)"):
        check_schedule(tiny_cfg(tmp_path, TRAIN__IM_SIZE_SCHEDULE=points))


def test_networks_and_data_of_one_size_are_refused(tmp_path):
    keys = {"TRAIN__IM_SIZE_SCHEDULE": [[0, 160], [5, 192]], "TRAIN__IM_SIZE": 224, "TEST__IM_SIZE": 256}
    with pytest.raises(ValueError, match="vit has other weights at 160 px"):
        check_schedule(tiny_cfg(tmp_path, MODEL__TYPE="vit", **keys))
    with pytest.raises(ValueError, match=r"CROP_STYLE center would cut its squares out of images of one size"):
        check_schedule(tiny_cfg(tmp_path, TRAIN__CROP_STYLE="center", **keys))
    with pytest.raises(ValueError, match="cifar10 have one size only"):
        check_schedule(load_cfg(None, ["TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE_SCHEDULE", "[[0, 32]]"]))
