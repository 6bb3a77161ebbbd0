"""Sizes from the first bytes, against Pillow, and which files all decoders are trusted with."""

import struct

import pytest
from PIL import Image

from pycls.datasets.decoders.image_header import read_header
from tests.helpers.photographs import encode, kinds, load
from tests.helpers.reference import open_rgb

# What OpenCV, torchvision and DALI decode to the same pixels; Pillow reads the rest for all of them.
COMMON = ("jpeg_4", "jpeg_gray", "jpeg_progressive", "jpeg_odd", "jpeg_restarts", "jpeg_exif", "jpeg_big", "jpeg_tiny")
COMMON += ("jpeg_wide", "jpeg_line", "png_named", "png_gray.", "png_one")


@pytest.mark.parametrize("name, data", kinds().items(), ids=kinds().keys())
def test_size_and_trust_of_every_kind(name, data):
    header = read_header(data)
    assert (header.width, header.height) == open_rgb(data).size
    assert header.common == name.startswith(COMMON)


def test_the_thumbnail_in_exif_is_not_taken_for_the_image():
    photo, thumbnail = encode(load("coffee.png", (500, 375))), encode(load("coffee.png", (160, 120)))
    segment = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(thumbnail)) + b"Exif\0\0" + thumbnail
    assert read_header(photo[:2] + segment + photo[2:])[:2] == (375, 500)
    # The thumbnail is complete, the photo is not: its end mark must not vouch for the photo.
    assert not read_header((photo[:2] + segment + photo[2:])[:-2000]).common


def test_fill_bytes_between_markers_are_skipped():
    photo = encode(load("coffee.png", (500, 375)))
    assert read_header(photo[:2] + b"\xff\xff\xff" + photo[2:])[:3] == (375, 500, True)


@pytest.mark.parametrize("kind, options", [("JPEG", {}), ("PNG", {})])
def test_a_file_cut_short_is_left_to_pillow(kind, options):
    data = encode(load("coffee.png", (500, 375)), kind, **options)
    assert read_header(data).common
    assert not read_header(data[:-100]).common


def test_a_png_with_a_transparent_color_is_left_to_pillow():
    data = encode(load("coffee.png", (50, 40)), "PNG", transparency=(1, 2, 3))
    assert read_header(data)[:3] == (40, 50, False)


@pytest.mark.parametrize(
    "data", [b"", b"no image\n", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\x10JFIF"]
)
def test_what_is_no_image_is_an_error(data):
    with pytest.raises(ValueError, match=r"empty|truncated|not an image"):
        read_header(data)


def test_webp_and_tiff_sizes_come_from_pillow():
    image = Image.new("RGB", (31, 17))
    assert read_header(encode(image, "TIFF"))[:3] == (17, 31, False)
