"""Pillow's path: pixels of the kinds that only it reads, and plain bilinear sampling against SciPy."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import map_coordinates

from pycls.datasets.decoders.pillow import decode_rgb, resize
from pycls.datasets.transforms.interpolation import Filter
from tests.helpers.photographs import encode, kinds


def test_sixteen_bit_gray_keeps_its_high_byte():
    wide = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert (decode_rgb(encode(Image.fromarray(wide), "PNG")) == (wide // 256)[..., None]).all()


@pytest.mark.parametrize("top", [1.0, 0.5, 0.004])
def test_floats_between_0_and_1_are_gray_levels(top):
    floats = np.linspace(0, top, 40 * 30, dtype=np.float32).reshape(30, 40)
    assert (decode_rgb(encode(Image.fromarray(floats), "TIFF")) == np.rint(255 * floats)[..., None]).all()


@pytest.mark.parametrize("low, high", [(0, 255), (-0.5, 1), (-3, -1), (0, 1.01), (0, np.nan), (0, np.inf), (-1, 1)])
def test_floats_whose_white_nobody_knows_are_refused(low, high):
    floats = np.array([[low, high], [0.5, 0.25]], np.float32)
    with pytest.raises(ValueError, match=r"float pixels (go from .* expected 0 to 1|that are no numbers)"):
        decode_rgb(encode(Image.fromarray(floats), "TIFF"))


@pytest.mark.parametrize("low, high", [(0, 200), (-5, 300), (0, 65_536), (0, 2**31 - 1)])
def test_integers_of_32_bits_whose_white_nobody_knows_are_refused(low, high):
    with pytest.raises(ValueError, match=f"integers from {low} to {high}, .*save it with 8 or 16 bits"):
        decode_rgb(encode(Image.fromarray(np.array([[low, high]], np.int32)), "TIFF"))


def test_integers_of_32_bits_that_hold_16_are_shown_as_such():
    levels = np.array([[0, 256, 40_000, 65_535]], np.int32)
    assert (decode_rgb(encode(Image.fromarray(levels), "TIFF"))[..., 0] == [0, 1, 156, 255]).all()


def test_gray_of_a_pgm_is_scaled_to_its_white():
    data = b"P5 4 1 1000\n" + np.array([0, 1, 500, 1000], ">u2").tobytes()
    assert (decode_rgb(data)[..., 0] == [0, 0, 128, 255]).all()


def test_alpha_is_dropped_not_blended():
    image = Image.new("RGBA", (4, 3), (10, 20, 30, 0))
    assert (decode_rgb(encode(image, "PNG")) == (10, 20, 30)).all()


def test_exif_orientation_is_ignored():
    assert decode_rgb(kinds()["jpeg_exif_rotated.JPEG"]).shape == (300, 451, 3)


@pytest.mark.parametrize("shape, height, width", [((30, 40), 17, 64), ((5, 7), 20, 3), ((1, 1), 4, 4), ((9, 9), 9, 9)])
def test_plain_bilinear_resize_samples_pixel_centers(shape, height, width):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rows = (np.arange(height) + 0.5) * shape[0] / height - 0.5
    columns = (np.arange(width) + 0.5) * shape[1] / width - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    planes = [map_coordinates(image[..., c].astype(float), grid, order=1, mode="nearest") for c in range(3)]
    assert np.abs(resize(image, height, width, Filter.PLAIN) - np.stack(planes, axis=2)).max() <= 0.51


@pytest.mark.parametrize("name", ["jpeg_420.JPEG", "png_alpha.png", "gif_named.JPEG"])
def test_a_file_cut_short_is_a_value_error(name):
    data = kinds()[name]
    with pytest.raises(ValueError, match="cannot decode"):
        decode_rgb(data[: len(data) // 2])


def test_what_is_no_image_is_said_in_the_same_words_each_time():
    with pytest.raises(ValueError, match=r"no decoder knows this kind of file$"):
        decode_rgb(b"\x89PNG\r\n\x1a\n, and then no chunk")
