"""Random erasing against torchvision's transform, its law, and the pixels of a loader."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import v2

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.transforms.normalize import Normalize
from pycls.datasets.transforms.random_erasing import NUM_DRAWS, erased_boxes
from pycls.datasets.transforms.rng import Stream, uniforms
from pycls.datasets.transforms.view import erased

SIZE = 224
DRAWS = uniforms(1, Stream.ERASE, 0, np.arange(4000), NUM_DRAWS)
CPU = torch.device("cpu")


def _torchvisions(num):
    transform, image = v2.RandomErasing(p=1), torch.zeros(3, SIZE, SIZE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = [transform.make_params([image]) for _ in range(num)]
    return np.array([[value[key] for key in ("i", "j", "h", "w")] for value in params])


def test_boxes_follow_torchvisions_law():
    ours, theirs = erased_boxes(DRAWS, 1.0, SIZE), _torchvisions(4000)
    assert ((ours[:, :2] >= 0) & (ours[:, :2] + ours[:, 2:] <= SIZE)).all()
    features = {
        "top": lambda box: box[:, 0],
        "left": lambda box: box[:, 1],
        "height": lambda box: box[:, 2],
        "width": lambda box: box[:, 3],
        "area": lambda box: box[:, 2] * box[:, 3],
        "aspect": lambda box: box[:, 2] / box[:, 3],
        "place": lambda box: box[:, 0] / (SIZE - box[:, 2] + 1),
    }
    for name, feature in features.items():
        assert ks_2samp(feature(ours), feature(theirs)).pvalue > 1e-3, name


def test_the_first_try_that_fits_is_taken_and_none_means_nothing():
    draws = np.full((3, NUM_DRAWS), 0.5)
    draws[:, 3:13], draws[:, 13:] = 0.9999, 0.9999  # a third of the square, 3.3 times as high as wide: does not fit
    draws[1, 3 + 4], draws[1, 13 + 4] = 0.5, 0.5  # but the fifth try of the second image does
    draws[2, 3:13] = 0.0
    boxes = erased_boxes(draws, 1.0, 10)
    assert boxes[0].tolist() == [0, 0, 0, 0]
    assert boxes[1].tolist() == [3, 3, 4, 4]  # sqrt(17.5) -> 4 a side; floor(0.5 x 7)
    assert boxes[2].tolist() == [4, 5, 3, 1]  # sqrt(2 x 3.3) and sqrt(2 / 3.3), rounded


def test_the_probability_is_kept():
    for prob in (0.0, 0.25, 1.0):
        share = erased_boxes(DRAWS, prob, SIZE).any(axis=1).mean()
        assert abs(share - prob) <= 5 * np.sqrt(prob * (1 - prob) / len(DRAWS))


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_finish_empties_the_boxes_after_normalization(channels_last):
    images = torch.randint(1, 255, (3, 16, 16, 3), dtype=torch.uint8)
    shift, boxes = torch.full((3, 3), 0.1), torch.tensor([[2, 3, 5, 7], [0, 0, 0, 0], [0, 0, 16, 16]])
    finish = Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2), CPU, channels_last)
    expected = finish(images, shift)
    for image, (top, left, height, width) in zip(expected, boxes.tolist(), strict=True):
        v2.functional.erase_image(image, top, left, height, width, torch.zeros(3, 1, 1), inplace=True)
    batch = finish(images, shift, boxes)
    assert torch.equal(batch, expected)
    assert batch.stride() == expected.stride()


@pytest.mark.parametrize("lighting", ["0.0", "0.1"])
def test_a_loader_erases_in_training_only(lighting, tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path))
    keys = ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32"]
    keys += ["DATA_LOADER.NUM_WORKERS", "0", "TRAIN.BATCH_SIZE", "64"]
    plain = build_loader(load_cfg(None, keys), "train", CPU)
    erasing = build_loader(load_cfg(None, [*keys, "TRAIN.RANDOM_ERASE", "0.5"]), "train", CPU)
    for loader in (plain, erasing):
        loader.finish = Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), CPU)
    if lighting != "0.0":
        plain, erasing = (_with_lighting(loader, float(lighting)) for loader in (plain, erasing))
    expected, batch = next(plain.epoch(2, start_step=3)), next(erasing.epoch(2, start_step=3))
    boxes = erased(erasing.view, 2, batch.indices.numpy())
    assert 10 < boxes.any(axis=1).sum() < 54
    for image, (top, left, height, width) in zip(expected.images, boxes, strict=True):
        image[:, top : top + height, left : left + width] = 0
    assert torch.equal(batch.images, expected.images)
    test = next(build_loader(load_cfg(None, [*keys, "TRAIN.RANDOM_ERASE", "1.0"]), "test", CPU).epoch(0))
    assert torch.equal(test.images, next(build_loader(load_cfg(None, keys), "test", CPU).epoch(0)).images)


def _with_lighting(loader, std):
    """Return the same loader with lighting, which the data set at hand has not."""
    from pycls.datasets.loader import Loader

    options = {"batch_size": loader.batch_size, "device": CPU, "lighting_std": std}
    return Loader(loader.samples, loader.view, loader.backend, loader.finish, **options)
