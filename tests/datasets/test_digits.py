"""The digits' image files: counts, the held-out fifth, pixels against scikit-learn's, and two processes at once."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pycls.core.config import load_cfg
from pycls.datasets import digits as digits_module
from pycls.datasets.digits import MEAN, STD, build_digits, export_digits


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYCLS_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def splits(cache):
    cfg = load_cfg(None, ["TRAIN.DATASET", "digits", "TEST.DATASET", "digits"])
    return build_digits(cfg, "train"), build_digits(cfg, "test")


def test_every_fifth_image_of_a_class_is_held_out(splits):
    train, test = splits
    counts = np.bincount(load_digits().target)
    assert (len(train), len(test)) == (1442, 355)
    np.testing.assert_array_equal(np.bincount(test.labels), counts // 5)
    np.testing.assert_array_equal(np.bincount(train.labels), counts - counts // 5)
    assert train.classes == test.classes == tuple("0123456789")


def test_the_files_show_scikit_learns_pixels(splits):
    digits = load_digits()
    image = Image.open(splits[1].name(int(np.flatnonzero(splits[1].labels == 7)[0])))
    assert image.mode == "L" and image.size == (32, 32)
    shrunk = np.asarray(image.resize((8, 8), Image.Resampling.BOX), dtype=float)
    distances = abs(digits.images * 255 / 16 - shrunk).mean(axis=(1, 2))
    assert distances.argmin() == np.flatnonzero(digits.target == 7)[4] and distances.min() < 16


def test_mean_and_std_are_those_of_the_training_files(splits):
    pixels = np.stack([np.asarray(Image.open(splits[0].name(i))) for i in range(len(splits[0]))]) / 255
    np.testing.assert_allclose([pixels.mean(), pixels.std()], [MEAN[0], STD[0]], atol=1e-4)


def test_a_process_that_comes_second_uses_the_copy_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path))
    write, others = digits_module._write_digits, []

    def write_while_another_finishes(folder):
        write(folder)
        if not others:
            others.append(None)
            others[0] = export_digits()
            (others[0] / "first").touch()

    monkeypatch.setattr(digits_module, "_write_digits", write_while_another_finishes)
    folder = export_digits()
    assert folder == others[0] and (folder / "first").exists()
    assert len(list(folder.rglob("*.png"))) == 1797
    assert [entry.name for entry in tmp_path.iterdir()] == ["digits-v1"]  # nothing left behind


def test_an_interrupted_export_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path))

    def fail(folder):
        folder.mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(digits_module, "_write_digits", fail)
    with pytest.raises(OSError, match="disk full"):
        export_digits()
    assert list(tmp_path.iterdir()) == []
