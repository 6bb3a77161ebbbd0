"""Thumbnails of photographs of every kind, in folders and packed, against Pillow's own; of arrays; of what is gone."""

import base64
import io

import numpy as np
from PIL import Image, ImageOps

from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.readers.tar import load_packed
from pycls.engine.run_page.thumbnails import thumbnail
from tests.helpers.trees import pack, write_data


def decoded(found):
    data = base64.b64decode(found.uri.partition(",")[2])
    assert len(data) <= 10_000
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_photographs_of_every_kind(tmp_path):
    folder = load_folder(write_data(tmp_path / "data"), "val")
    packed = load_packed(pack(tmp_path / "data", tmp_path / "packed", "val"))
    close = 0
    for index in range(len(folder)):
        found = thumbnail(folder, index)
        assert found.uri and found == thumbnail(packed, index)
        with Image.open(folder.name(index)) as image:
            expected = image.convert("RGB")
        expected.thumbnail((144, 144), Image.Resampling.BILINEAR)
        shown = decoded(found)
        assert shown.shape[:2] == expected.size[::-1]
        close += np.abs(shown - np.asarray(expected)).mean() < 6
    assert close >= 0.8 * len(folder), "16-bit gray and a few others are read otherwise than by Pillow alone"


def test_photographs_are_turned_where_the_network_sees_them_so(tmp_path):
    folder = load_folder(write_data(tmp_path), "val")
    index = next(i for i in range(len(folder)) if folder.name(i).endswith("jpeg_exif_rotated.JPEG"))
    with Image.open(folder.name(index)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    upright.thumbnail((144, 144), Image.Resampling.BILINEAR)
    shown, lying = decoded(thumbnail(folder, index, exif_rotate=True)), decoded(thumbnail(folder, index))
    assert shown.shape[:2] == upright.size[::-1] != lying.shape[:2]
    assert np.abs(shown - np.asarray(upright)).mean() < 6


def test_arrays_gray_and_colored():
    gray, color = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1), np.zeros((1, 300, 100, 3), np.uint8)
    color[..., 1] = 200
    label = np.zeros(1, np.int64)
    small = thumbnail(ArraySamples(gray, label, ("a",), "x test"), 0)
    assert small.tiny and np.array_equal(decoded(small)[..., 2], gray[0, :, :, 0])
    large = thumbnail(ArraySamples(color, label, ("a",), "x test"), 0)
    assert not large.tiny and decoded(large).shape == (144, 48, 3) and np.abs(decoded(large) - [0, 200, 0]).max() < 4


def test_a_file_that_is_gone_leaves_a_word(tmp_path):
    folder = load_folder(write_data(tmp_path), "val")
    (tmp_path / "val/cats").rename(tmp_path / "val/gone")
    found = thumbnail(folder, 0)
    assert found.uri == "" and "No such file" in found.error


def test_noise_is_small_too():
    """The worst that JPEG can be given."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 400, 400, 3), dtype=np.uint8)
    noise[0, ::2] = 255 - noise[0, ::2]
    decoded(thumbnail(ArraySamples(noise, np.zeros(1, np.int64), ("a",), "x"), 0))
