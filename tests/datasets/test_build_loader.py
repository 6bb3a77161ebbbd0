"""Loaders built from a config: real digits through the default backend, array data, and settings that cannot work."""

import numpy as np
import pytest
import torch

from pycls import datasets
from pycls.core.config import load_cfg
from pycls.datasets import BACKENDS, DATASETS, build_loader
from tests.helpers.arrays import write_idx, write_tree

CPU = torch.device("cpu")
DIGITS = ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32"]
FASHION = ["TRAIN.DATASET", "fashion_mnist", "TEST.DATASET", "fashion_mnist", "TRAIN.IM_SIZE", "28"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYCLS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def fashion(tmp_path):
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", np.full((20, 28, 28), 255, dtype=np.uint8))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.arange(20, dtype=np.uint8) % 10)
    return ["DATA_DIR", str(tmp_path), *FASHION]


def _build(settings, phase, *more):
    return build_loader(load_cfg(None, [*settings, *more]), phase, CPU)


def test_tables_name_what_the_config_accepts():
    cfg = load_cfg(None)
    for name in DATASETS:
        load_cfg(None, ["TRAIN.DATASET", name])
    for name in BACKENDS:
        load_cfg(None, ["DATA_LOADER.BACKEND", name])
    assert cfg.DATA_LOADER.BACKEND == "auto"


def test_digits_come_normalized_through_the_default_backend(cache):
    train = _build(DIGITS, "train", "DATA_LOADER.NUM_WORKERS", "2")
    test = _build(DIGITS, "test", "DATA_LOADER.NUM_WORKERS", "2")
    assert (len(train), len(test)) == (1442 // 128, 2)
    batches = list(test.epoch(0))
    images = torch.cat([batch.images for batch in batches])
    assert images.shape == (355, 3, 32, 32) and abs(images.mean()) < 0.02 and abs(images.std() - 1) < 0.02
    assert torch.equal(torch.cat([batch.labels for batch in batches]), torch.from_numpy(test.samples.labels))
    first = next(train.epoch(1, start_step=4))
    again = next(_build(DIGITS, "train", "DATA_LOADER.NUM_WORKERS", "0").epoch(1, start_step=4))
    assert torch.equal(first.images, again.images) and torch.equal(first.indices, again.indices)
    train.close()
    test.close()


def test_array_data_uses_the_memory_backend_with_a_black_border(fashion):
    loader = _build(fashion, "train", "TRAIN.BATCH_SIZE", "10", "TRAIN.CHANNELS_LAST", "True")
    for batch in loader.epoch(0):
        assert batch.images.shape == (10, 3, 28, 28)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        levels = torch.unique(batch.images)
        torch.testing.assert_close(levels, torch.tensor([-0.2860 / 0.3530, (1 - 0.2860) / 0.3530]))
    (batch,) = _build(fashion, "test").epoch(0)
    assert len(torch.unique(batch.images)) == 1  # no border in eval


def test_array_data_are_augmented_in_training_only(fashion):
    more = ("TRAIN.BATCH_SIZE", "5", "TRAIN.AUGMENT", "TrivialAugment", "TRAIN.COLOR_JITTER", "[0.8, 0, 0, 0]")
    loader = _build(fashion, "train", *more)
    images = torch.cat([batch.images for batch in loader.epoch(3)])
    plain = torch.cat([batch.images for batch in _build(fashion, "train", *more[:2]).epoch(3)])
    assert images.shape == plain.shape and (images != plain).flatten(1).any(1).float().mean() > 0.5
    later = torch.cat([batch.images for batch in _build(fashion, "train", *more).epoch(3, start_step=2)])
    assert torch.equal(later, images[10:])
    (batch,) = _build(fashion, "test", *more).epoch(0)
    assert len(torch.unique(batch.images)) == 1
    loader.close()


def test_pycls_crops_have_a_border_of_the_mean_color(fashion):
    loader = _build(fashion, "train", "TRAIN.BATCH_SIZE", "20", "TRAIN.CROP_STYLE", "pycls")
    (batch,) = loader.epoch(0)
    assert abs(torch.unique(batch.images)[0]) < 0.006


def test_a_process_takes_its_share_of_the_global_batch(fashion, monkeypatch):
    alone = next(_build(fashion, "train", "TRAIN.BATCH_SIZE", "12").epoch(0)).indices.tolist()
    monkeypatch.setattr(datasets, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(datasets, "rank", lambda rank=rank: rank)
        shares += next(_build(fashion, "train", "TRAIN.BATCH_SIZE", "12").epoch(0)).indices.tolist()
    assert shares == alone
    with pytest.raises(ValueError, match=r"TRAIN.BATCH_SIZE 10 .* 3 processes"):
        _build(fashion, "train", "TRAIN.BATCH_SIZE", "10")


ERRORS = {
    "another backend for array data": (["DATA_LOADER.BACKEND", "custom"], "BACKEND custom reads image files.*memory"),
    "another size than the data's": (["TRAIN.IM_SIZE", "32"], "TRAIN.IM_SIZE is 32, but .*fashion_mnist are 28 px"),
    "a batch larger than the data": (["TRAIN.BATCH_SIZE", "64"], "TRAIN.BATCH_SIZE 64 .* 20 training images"),
    "another number of classes": (["MODEL.NUM_CLASSES", "7"], "MODEL.NUM_CLASSES is 7, .* 10 classes"),
    "no data set": (["TRAIN.DATASET", ""], "TRAIN.DATASET: unknown choice ''.*fashion_mnist"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_settings_that_cannot_work_are_refused(fashion, name):
    settings, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        _build([*fashion, "TRAIN.BATCH_SIZE", "10"], "train", *settings)


def test_files_need_a_backend_for_files(tmp_path):
    write_tree(tmp_path / "train", {"a": ["1.jpg", "2.jpg"]})
    settings = [
        "DATA_DIR",
        str(tmp_path),
        "TRAIN.DATASET",
        "imagenet",
        "MODEL.NUM_CLASSES",
        "1",
        "TRAIN.BATCH_SIZE",
        "2",
    ]
    with pytest.raises(ValueError, match="BACKEND memory needs array data"):
        _build(settings, "train", "DATA_LOADER.BACKEND", "memory")


def test_colors_of_the_config_win_over_those_of_the_data_set(fashion):
    """White pixels: (1 - mean) / std, by channel."""
    colors = ["DATA_LOADER.MEAN", "[0.5, 0.25, 0]", "DATA_LOADER.STD", "[0.5, 0.5, 1]"]
    loader = _build(fashion, "test", "TEST.BATCH_SIZE", "10", *colors)
    images = next(loader.epoch(0)).images
    assert images.amin(dim=(0, 2, 3)).tolist() == images.amax(dim=(0, 2, 3)).tolist() == [1.0, 1.5, 1.0]
    loader.close()
