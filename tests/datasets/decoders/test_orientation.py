"""EXIF orientation against Pillow's own exif_transpose: what it says, in every kind of file, and what is then shown."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.decoders.orientation import turn_upright
from pycls.datasets.decoders.pillow import decode_rgb
from pycls.datasets.transforms import view as views
from tests.helpers.backends import NAMES, draw, make_backend, make_view
from tests.helpers.photographs import encode, load, write_files
from tests.helpers.reference import reference_square

TAG = 0x0112


def exif(orientation: int) -> Image.Exif:
    """Return EXIF that holds an orientation only."""
    found = Image.Exif()
    found[TAG] = orientation
    return found


def xmp(orientation: int) -> bytes:
    """Return XMP that holds an orientation only."""
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


PHOTO = load("coffee.png", (90, 60))
FILES = {
    **{f"{n}.jpg": encode(PHOTO, quality=95, exif=exif(n)) for n in range(10)},
    **{f"{n}.png": encode(PHOTO, "PNG", exif=exif(n)) for n in (2, 5, 6)},
    **{f"{n}.webp": encode(PHOTO, "WEBP", lossless=True, exif=exif(n)) for n in (3, 7)},
    **{f"{n}.tif": encode(PHOTO, "TIFF", tiffinfo={TAG: n}) for n in (1, 4, 6, 8)},
    **{f"xmp_{n}.jpg": encode(PHOTO, xmp=xmp(n)) for n in (1, 6)},
    "gray_8.jpg": encode(PHOTO.convert("L"), exif=exif(8)),
    "cmyk_6.jpg": encode(PHOTO.convert("CMYK"), exif=exif(6)),
    "plain.jpg": encode(PHOTO),
}


def upright(data: bytes) -> Image.Image:
    """Return what Pillow takes for the upright image."""
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


@pytest.mark.parametrize("name, data", FILES.items(), ids=FILES)
def test_size_and_pixels_are_those_of_pillows_exif_transpose(name, data):
    header, wanted = read_header(data, exif_rotate=True), np.asarray(upright(data))
    assert (header.height, header.width) == wanted.shape[:2]
    assert (turn_upright(decode_rgb(data), header.orientation) == wanted).all()
    if not name.endswith("tif"):  # which Pillow always turns
        assert read_header(data)[:2] == (60, 90)


def test_exif_that_cannot_be_read_says_nothing():
    photo = encode(PHOTO)
    for rubbish in (b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff" + b"\1\x12" * 20, struct.pack(">4sI", b"MM\0*", 2**31)):
        segment = b"\xff\xe1" + struct.pack(">H", 8 + len(rubbish)) + b"Exif\0\0" + rubbish
        header = read_header(photo[:2] + segment + photo[2:], exif_rotate=True)
        assert (*header[:2], header.orientation) == (60, 90, 1)


@pytest.mark.parametrize("train, antialias", [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("name", NAMES)
def test_every_backend_crops_the_upright_image(name, train, antialias, tmp_path):
    samples = write_files(tmp_path, FILES)
    view = make_view(train, antialias, size=32, resize=36, exif_rotate=True)
    backend = make_backend(name, samples, view, num_workers=0)
    squares, indices = draw(backend, 0, [range(len(FILES))]).astype(float), np.arange(len(FILES))
    backend.close()
    images = [encode(upright(data), "PNG") for data in FILES.values()]
    widths, heights = np.array([Image.open(io.BytesIO(image)).size for image in images]).T
    looks = zip(images, views.boxes(view, 0, indices, heights, widths), views.flips(view, 0, indices), strict=True)
    for file, square, look in zip(FILES, squares, looks, strict=True):
        difference = np.abs(square - reference_square(look[0], view, *look[1:])).mean()
        assert difference < (0.3 if antialias else 0.5), f"{file}: {difference:.2f}"
