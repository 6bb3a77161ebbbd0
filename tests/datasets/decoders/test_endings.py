"""Files of every ending: all backends show Pillow's pixels, the first picture of several, and print nothing."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from pycls.datasets.decoders.png_chunks import without_notes
from tests.helpers.backends import NAMES, draw, make_backend, make_view
from tests.helpers.endings import every_ending, oddities
from tests.helpers.photographs import encode, load, write_files
from tests.helpers.reference import open_rgb, reference_square

VIEW = make_view(False, size=32, resize=36)


@pytest.fixture(scope="module")
def files():
    return {**every_ending(), **oddities()}


@pytest.fixture(scope="module")
def samples(files, tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("endings"), files)


@pytest.mark.filterwarnings("ignore:Palette images")  # from the reference
@pytest.mark.parametrize("name", NAMES)
def test_every_ending_is_shown_as_pillow_shows_it(name, files, samples, capfd):
    backend = make_backend(name, samples, VIEW, num_workers=0)
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        squares = draw(backend, 0, np.array_split(np.arange(len(files)), 2)).astype(float)
    backend.close()
    assert capfd.readouterr().err.replace("\n", "") == "", "decoders print in every epoch"
    for (file, data), square in zip(files.items(), squares, strict=True):
        difference = np.abs(square - reference_square(data, VIEW, None, False)).mean()
        assert difference < 0.3, f"{file}: {difference:.2f}"


@pytest.mark.filterwarnings("ignore:Palette images")
def test_the_files_are_what_they_are_meant_to_be(files):
    """The first of several pictures is the photograph itself, whichever that is in the file."""
    photo = np.asarray(load("coffee.png", (61, 43)), float)
    for file, data in files.items():
        worst = {"bits.pbm": 120, "one_bit.tif": 120}.get(file, 60 if "gray" in file else 12)
        assert np.abs(np.asarray(open_rgb(data), float) - photo).mean() < worst, file
    for file in ("animated.gif", "animated.webp", "animated.avif", "animated.png", "pages.tiff"):
        with Image.open(io.BytesIO(files[file])) as image:
            assert image.n_frames == 3, file


def test_only_what_lies_before_the_pixels_is_taken_out_of_a_png():
    photo = load("coffee.png", (61, 43))
    plain, noted = encode(photo, "PNG"), encode(photo, "PNG", icc_profile=b"IDAT" * 99, dpi=(72, 72))
    assert without_notes(plain) is plain and without_notes(noted) == plain
    for damaged in (b"", plain[:20], plain[:33], plain[:40], noted[:50], b"\xff\xd8\xff", plain[:33] + b"\xff" * 99):
        assert without_notes(damaged) == damaged
