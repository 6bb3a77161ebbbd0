"""Small files that claim to be large, or never end: one bad image in every decoder, before there is room for it."""

import resource
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.reliability.lists.image_attacks import image_attacks, png, png_chunk, tiff, with_jpeg_size, with_scans
from pycls.dataset_tools.validation.inspect import build_decoders, inspect_bytes
from pycls.datasets.decoders import opencv, pillow, torchvision_io
from pycls.datasets.decoders.bands import decode_pixels
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.decoders.limits import MAX_PIXELS, MAX_SCANS
from tests.helpers.photographs import encode, load

LARGE = ("one_bit_bomb.png", "claims_80_megapixels_padded.jpg")  # of a size that they may have; shown, in seconds


@pytest.fixture(scope="module")
def attacks():
    """Made once, and not while tests are collected."""
    return {name: data for name, data in image_attacks().items() if name not in LARGE}


def _decoders(data: bytes) -> dict:
    header = read_header(data)
    return {
        "opencv": lambda: opencv.decode(data, header.common),
        "torchvision": lambda: torchvision_io.decode(data, header.common),
        "pillow": lambda: pillow.decode_rgb(data),
        "full": lambda: decode_pixels(data, 3, full=True),
    }


def _outcomes(data: bytes) -> dict[str, str]:
    """Return what each decoder says of a file, "" where it shows it."""
    try:
        decoders = _decoders(data)
    except ValueError as error:
        return {"header": str(error)}
    said = {}
    for name, decode in decoders.items():
        try:
            decode()
            said[name] = ""
        except ValueError as error:
            said[name] = str(error)
    return said


@pytest.mark.filterwarnings("ignore")
def test_no_attack_takes_memory_or_raises_anything_else(attacks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = {name: _outcomes(data) for name, data in attacks.items()}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KB; of 169 megapixels it is 500 MB
    for name, words in said.items():
        assert all("\n" not in sentence for sentence in words.values()), name
        if "megapixels" in name and "jp2" not in name:
            assert "claims" in words["header"] or "exceeds limit" in words["header"], name
        if "scans" in name:
            assert words["header"] == f"the JPEG has more than {MAX_SCANS} scans: it is damaged, or a trap"
    shown = {name for name, words in said.items() if not any(words.values())}
    assert {"text_bomb.png", "text_bomb_behind.png", "profile_bomb.png", "endless_animation.png"} <= shown


@pytest.mark.parametrize("name", ["3000_scans.jpg", "claims_169_megapixels.jpg", "text_bomb.png", "no_directory.tif"])
def test_check_data_says_the_same(attacks, name):
    found = dict(inspect_bytes(attacks[name], name, build_decoders(("custom", "torch")), 8))
    assert ("unreadable" in found) == (name != "text_bomb.png")


def test_scans_of_one_component_each_are_counted_too():
    """Baseline files may have such, and decoders then read scan after scan, as of progressive ones."""
    photo = encode(load("coffee.png", (64, 48)))
    scan = photo.index(b"\xff\xda")
    one = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + photo[scan + 14 : -2]
    with pytest.raises(ValueError, match="more than 100 scans"):
        read_header(photo[:scan] + one * 101 + b"\xff\xd9")
    assert read_header(photo[:scan] + one * 3 + b"\xff\xd9")[:2] == (48, 64)
    assert read_header(photo + photo[scan:] * 200)[:2] == (48, 64)  # of which only the first is read


def test_what_encoders_write_is_not_refused():
    """As many scans as Pillow's encoder writes, again and again up to the limit; a film behind a photograph."""
    photo = encode(load("coffee.png", (64, 48)), progressive=True)
    num_scans = photo.count(b"\xff\xda")
    assert read_header(with_scans(photo, MAX_SCANS - num_scans))[:2] == (48, 64)
    with pytest.raises(ValueError, match="more than 100 scans"):
        read_header(with_scans(photo, MAX_SCANS - num_scans + 2))
    assert read_header(photo + b"\xff\xda" * 5000)[:2] == (48, 64)


@pytest.mark.parametrize("kind, options", [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})])
def test_the_emptiest_images_of_their_size_pass(kind, options):
    """Nothing packs better than one color; these are just above the size from which on the bytes are looked at."""
    flat = Image.new("L", (4200, 4100), 90)
    data = encode(flat, kind, **options)
    assert read_header(data)[:2] == (4100, 4200)


def test_the_limit_is_pillows():
    assert MAX_PIXELS == 2 * Image.MAX_IMAGE_PIXELS
    photo = encode(load("coffee.png", (64, 48))) + bytes(400_000)
    assert read_header(with_jpeg_size(photo, 13_377, 13_377))[0] == 13_377
    with pytest.raises(ValueError, match=r"claims 13,378 x 13,378 pixels, more than the 178,956,970 that are decoded"):
        read_header(with_jpeg_size(photo, 13_378, 13_378))


def test_large_images_come_out_of_bands_as_they_were():
    pixels = np.random.default_rng(0).integers(0, 255, (2500, 7, 4), np.uint8)
    for mode in ("RGB", "RGBA", "L", "CMYK"):
        image = Image.fromarray(pixels).convert(mode)
        data = encode(image, "TIFF")
        assert np.array_equal(pillow.decode_rgb(data), np.asarray(image.convert("RGB")))


def test_a_chunk_that_claims_gigabytes_is_not_left_to_libpng(attacks):
    whole = png(2, 1, 8, 2, png_chunk(b"IDAT", b"x"))
    assert read_header(whole).common and read_header(whole + b"rubbish").common
    assert not read_header(attacks["chunk_beyond_the_end.png"]).common


def _slow_headers():
    """Yield name and file of what took a decoder, or the reader of headers, seconds a megabyte, or gigabytes."""
    photo = load("astronaut.png")
    jpeg, progressive = encode(photo, "JPEG"), encode(photo, "JPEG", progressive=True)
    scan = progressive.index(b"\xff\xda")
    empty, many = b"\xff\xe5\0\2" * 1_000_000, with_scans(progressive, MAX_SCANS + 50)[:-2]
    yield "a run of ff in a scan", many + b"\xff" * 300_000 + b"\0\xff\xd9"
    yield "segments before the size", jpeg[:2] + empty + jpeg[2:]
    yield "segments between scans", progressive[:scan] + empty + progressive[scan:-2] + b"\xff\xda" * 101 + b"\xff\xd9"
    zeros = b"".join([*map((packer := zlib.compressobj(9)).compress, [bytes(1 << 20)] * 100), packer.flush()])
    yield "more pixels than the size", png(64, 64, 8, 2, png_chunk(b"IDAT", zeros))
    strips = {273: (4, 1, 8), 278: (4, 1, 64), 279: (4, 1, 100)}
    colors = {258: (3, 1, 8), 259: (3, 1, 5), 262: (3, 1, 1), 277: (3, 1, 1)}
    tile = {322: (4, 1, 40_000), 323: (4, 1, 40_000), 324: (4, 1, 8), 325: (4, 1, 100)}
    yield "a tile", tiff({256: (4, 1, 64), 257: (4, 1, 64), **colors, **strips, **tile})


def test_what_would_take_minutes_is_refused_by_its_header():
    for name, data in _slow_headers():
        start = time.process_time()
        with pytest.raises(ValueError, match="or a trap"):
            read_header(data)
        assert time.process_time() - start < 1.5, name


def test_bytes_that_fill_up_are_passed_over():
    jpeg = encode(load("astronaut.png"), "JPEG")
    start = time.process_time()
    assert read_header(jpeg[:2] + b"\xff" * 10_000_000 + jpeg[2:]) == read_header(jpeg)
    assert time.process_time() - start < 1.5  # one after the other they take three seconds


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (640, 480)])
def test_pixels_that_are_not_packed_are_no_trap(mode, size):
    image = Image.new("L", size).convert(mode) if mode != "I;16" else Image.new(mode, size)
    assert read_header(encode(image, "PNG", compress_level=0)).height == size[1]
