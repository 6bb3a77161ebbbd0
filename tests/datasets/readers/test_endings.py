"""Which names are images, and how those that are none are told of."""

import pytest
import torchvision
from PIL import Image

from pycls.datasets.readers.endings import FORMATS, UNREAD_PICTURES, describe_left_out, ending_of, is_image
from tests.helpers.paths import ROOT


def test_every_ending_that_image_folder_reads_and_its_format():
    assert set(torchvision.datasets.folder.IMG_EXTENSIONS) <= set(FORMATS)
    Image.init()
    pillow = {ending: kind for ending, kind in Image.registered_extensions().items() if ending in FORMATS}
    same = {"MPO": "JPEG", "DIB": "BMP"}
    assert {ending: same.get(kind, kind) for ending, kind in pillow.items()} == {
        ending: kind for ending, kind in FORMATS.items() if ending != ".jif"
    }
    assert not UNREAD_PICTURES & set(FORMATS)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.b.Jfif", "a .png", "ö.AVIF", "a..gif", "not\udcff.jp2"])
def test_images(name):
    assert is_image(name)


@pytest.mark.parametrize("name", ["jpg", "ajpg", "a.jpg ", "a.jpg.txt", "a.", "", ".", "a.heic", "a.jpg~"])
def test_no_images(name):
    assert not is_image(name)


def test_the_page_lists_them():
    page = (ROOT / "docs" / "BAD_IMAGES.md").read_text()
    assert " ".join(FORMATS) in " ".join(page.replace("`", "").split())


def test_endings():
    names = {"a.TXT": ".txt", "a.tar.gz": ".gz", "a.jpg~": ".jpg~"}
    names |= dict.fromkeys(
        ("README", "a.", "a.of the 2nd day", "a.\n", "a.\udcff", "a.abcdefghijk"), "without an ending"
    )
    assert {name: ending_of(name) for name in names} == names


def test_what_is_left_out_is_told_in_a_line():
    assert describe_left_out({".heic": 5, ".txt": 1007}) == (
        "1,012 files that are no images: 1,007 .txt, 5 .heic (convert .heic to .jpg or .png to use them)"
    )
    assert describe_left_out({".md": 1}) == "1 file that is no image: 1 .md"
    many = describe_left_out({f".e{number}": 10 - number for number in range(9)})
    assert many.endswith("10 .e0, 9 .e1, 8 .e2, 7 .e3, 6 .e4, 5 .e5, 9 others") and "54 files" in many
