"""DATA_LOADER.CHANNELS: gray, alpha and bands, in every backend, against Pillow and plain formulas."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.config import load_cfg
from pycls.datasets import build_loader, color_scale
from pycls.datasets.decoders.bands import decode_pixels, has_more_than_rgb
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.normalize import Normalize
from tests.helpers.backends import CLASSES, draw, make_backend, make_view
from tests.helpers.odd_images import png_rgb16, readable
from tests.helpers.photographs import encode, load, write_files
from tests.helpers.reference import reference_square

CPU = torch.device("cpu")
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
PHOTO = load("chelsea.png", (120, 90))


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def _pages(bands: np.ndarray) -> bytes:
    """Return a TIFF file whose gray pages are the channels of (H, W, C)."""
    first, *others = (Image.fromarray(band) for band in np.moveaxis(bands, 2, 0))
    return encode(first, "TIFF", save_all=True, append_images=others)


BANDS = np.random.default_rng(0).integers(0, 256, (30, 40, 5), np.uint8)


# ---- gray


def test_gray_is_the_luma_of_rgb_not_rounded():
    squares = torch.randint(0, 256, (5, 7, 6, 3), dtype=torch.uint8)
    mean, std = (0.4,), (0.25,)
    wanted = (squares.numpy() @ LUMA / 255 - 0.4) / 0.25
    assert np.allclose(Normalize(mean, std, CPU)(squares)[:, 0], wanted, atol=1e-5)
    last = Normalize(mean, std, CPU, channels_last=True)(squares)
    assert last.shape == (5, 1, 7, 6) and np.allclose(last[:, 0], wanted, atol=1e-5)


def test_gray_is_what_pillow_makes_of_it_but_for_rounding():
    pixels = np.array(PHOTO)
    shown = Normalize((0.0,), (1.0,), CPU)(torch.from_numpy(pixels)[None])[0, 0].numpy() * 255
    assert np.abs(shown - np.asarray(PHOTO.convert("L"))).max() <= 0.51


def test_equal_channels_stay_what_they_are():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    assert torch.allclose(Normalize((0.0,), (1 / 255,), CPU)(levels).flatten(), torch.arange(256.0), atol=1e-4)


def test_color_jitter_of_floats_comes_before_gray():
    squares = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8)
    amounts = torch.zeros(4, 3, 3)
    amounts[:, 0, 0], amounts[:, 1, 1] = torch.tensor([0.4, -0.3, 0.0, 0.2]), torch.tensor([0.0, 0.3, -0.5, 0.1])
    rgb = Normalize((0.0,) * 3, (1.0,) * 3, CPU)(squares, jitter=amounts).numpy()
    gray = Normalize((0.0,), (1.0,), CPU)(squares, jitter=amounts)[:, 0].numpy()
    assert np.allclose(gray, np.tensordot(rgb, LUMA, (1, 0)), atol=1e-5)


# ---- alpha


def test_rgba_of_every_kind_of_file_is_pillows():
    files = {**RGBA_FILES, **readable()}
    for name, data in files.items():
        if name.startswith("float"):  # which Pillow would make black
            continue
        wanted = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        assert (decode_pixels(data, 4) == wanted).all(), name
    deep = encode(Image.fromarray(np.arange(0, 65_000, 100, dtype=np.uint16)[:, None]), "PNG")
    wanted = np.arange(0, 65_000, 100)[:, None, None] // 256
    assert (decode_pixels(deep, 4) == np.where([1, 1, 1, 0], wanted, 255)).all()


RGBA_FILES = {
    "rgba.png": encode(_with_alpha(PHOTO), "PNG"),
    "rgba.tif": encode(_with_alpha(PHOTO), "TIFF"),
    "la.png": encode(_with_alpha(PHOTO).convert("LA"), "PNG"),
    "palette.png": encode(PHOTO.quantize(32), "PNG", transparency=3),
    "rgba.webp": encode(_with_alpha(PHOTO), "WEBP", lossless=True),
    "rgb.jpg": encode(PHOTO),
    "exif.jpg": encode(PHOTO, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
}


def _planes_shown(data: bytes, view: views.View, index: int, planes: list[Image.Image]) -> np.ndarray:
    """Return what Pillow shows of each channel for itself, (S, S, C)."""
    width, height = planes[0].size
    (box,) = views.boxes(view, 0, np.array([index]), np.array([height]), np.array([width]))
    flip = views.flips(view, 0, np.array([index]))[0]
    shown = [reference_square(encode(plane, "PNG"), view, box, flip)[..., 0] for plane in planes]
    return np.stack(shown, axis=2)


@pytest.mark.parametrize("train, antialias", [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("name", ["custom", "custom_opencv", "torch"])
@pytest.mark.parametrize("channels", [4, 5])
def test_every_backend_shows_each_channel_alike(channels, name, train, antialias, tmp_path):
    files = RGBA_FILES if channels == 4 else {"a.tif": _pages(BANDS), "b.tif": _pages(BANDS[::-1, 5:])}
    samples, view = write_files(tmp_path, files), make_view(train, antialias, size=24, resize=28, channels=channels)
    backend = make_backend(name, samples, view, num_workers=0)
    squares = draw(backend, 0, [range(len(files))]).astype(float)
    backend.close()
    assert squares.shape == (len(files), 24, 24, channels)
    for index, (file, data) in enumerate(files.items()):
        if channels == 4:
            planes = list(Image.open(io.BytesIO(data)).convert("RGBA").split())
        else:
            bands = BANDS if file == "a.tif" else BANDS[::-1, 5:]
            planes = [Image.fromarray(np.ascontiguousarray(bands[..., band])) for band in range(5)]
        difference = np.abs(squares[index] - _planes_shown(data, view, index, planes)).mean()
        assert difference < (0.3 if antialias else 0.5), f"{file}: {difference:.2f}"


def test_a_long_image_with_alpha_is_resized_in_part(tmp_path):
    samples = write_files(tmp_path, {"long.png": encode(_with_alpha(load("coffee.png", (2000, 10))), "PNG")})
    view = make_view(False, size=24, resize=28, channels=4)
    both = [draw(make_backend(name, samples, view, num_workers=0), 0, [[0]]) for name in ("custom", "torch")]
    assert (both[0] == both[1]).all() and np.ptp(both[0][..., 3]) > 0


# ---- refusals


@pytest.mark.parametrize(
    "data, channels, words",
    [
        (encode(PHOTO), 5, r"TIFF file of 5 gray pages \(DATA_LOADER.CHANNELS\), it is JPEG RGB"),
        (_pages(BANDS), 6, "TIFF file of 6 gray pages .* TIFF L of 5"),
        (encode(PHOTO, "TIFF", save_all=True, append_images=[PHOTO]), 2, "its 2 pages are not gray images of one size"),
        (encode(PHOTO)[:900], 4, "cannot decode"),
    ],
)
def test_a_file_without_the_channels_is_a_bad_image(data, channels, words):
    with pytest.raises(ValueError, match=words):
        decode_pixels(data, channels)


@pytest.mark.parametrize("extra", ["unspecified", "unassalpha"])
def test_a_fourth_band_is_not_lost(extra):
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, BANDS[..., :4], photometric="rgb", extrasamples=[extra])
    assert (decode_pixels(buffer.getvalue(), 4) == BANDS[..., :4]).all()


def test_an_unknown_white_is_refused_with_alpha_too():
    data = encode(Image.fromarray(np.asarray(PHOTO.convert("L"), np.int32)), "TIFF")
    for full in (False, True):
        with pytest.raises(ValueError, match="what is white is not said"):
            decode_pixels(data, 4, full)


def test_pages_of_colors_are_no_bands():
    """As many pages as channels, as with any other number: the first one is shown, as by the usual contract."""
    for channels in (3, 4):
        pages = encode(PHOTO, "TIFF", save_all=True, append_images=[PHOTO.rotate(90)] * (channels - 1))
        for full in (False, True):
            white = 1 if full else 255
            assert np.allclose(decode_pixels(pages, channels, full)[..., :3] * (255 / white), np.asarray(PHOTO))
    gray = _pages(BANDS[..., :3])
    assert np.allclose(decode_pixels(gray, 3, full=True) * 255, BANDS[..., :1].repeat(3, 2)), "as with 8 bits"


def test_what_a_jpeg_would_lose():
    deep = Image.fromarray(np.full((3, 4), 700, np.uint16))
    more = [_pages(BANDS), encode(deep, "PNG"), encode(deep, "TIFF"), png_rgb16(np.full((3, 4, 3), 700, np.uint16))]
    more += [data for name, data in RGBA_FILES.items() if not name.endswith(".jpg")]
    same = [encode(PHOTO), encode(PHOTO, "PNG"), encode(PHOTO.quantize(9), "PNG"), encode(PHOTO, "TIFF")]
    assert all(map(has_more_than_rgb, more)) and not any(map(has_more_than_rgb, same))


def test_only_gray_pages_of_one_depth_are_bands():
    gray, deep = PHOTO.convert("L"), Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)
    black_and_white = PHOTO.convert("1")
    shown = decode_pixels(encode(gray, "TIFF", save_all=True, append_images=[black_and_white]), 2)
    assert (shown[..., 1] == np.asarray(black_and_white) * 255).all() and (shown[..., 0] == np.asarray(gray)).all()
    for other, words in ((deep, "not of one depth: uint8, uint16"), (gray.quantize(9), "page 2 is P")):
        data = encode(gray, "TIFF", save_all=True, append_images=[other])
        with pytest.raises(ValueError, match=words):
            decode_pixels(data, 2)


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"CHANNELS": 1, "MEAN": [0.5] * 3}, "MEAN must be no or 1 numbers, one for each of DATA_LOADER.CHANNELS"),
        ({"CHANNELS": 3, "STD": [0.5]}, "STD must be no or 3 numbers, one for each"),
        ({"CHANNELS": 5}, "MEAN must be 5 numbers with DATA_LOADER.CHANNELS 5, got none"),
        ({"CHANNELS": 0}, "DATA_LOADER.CHANNELS must be"),
    ],
)
def test_numbers_of_another_count_are_refused(keys, words):
    with pytest.raises(ValueError, match=words):
        load_cfg(None, [word for key, value in keys.items() for word in (f"DATA_LOADER.{key}", str(value))])


@pytest.mark.parametrize(
    "channels, key, value",
    [
        (1, "COLOR_JITTER", "[0.1, 0.1, 0.1, 0.0]"),
        (1, "COLOR_JITTER", "[0.1, 0.1, 0.0, 0.1]"),
        (4, "COLOR_JITTER", "[0.1, 0.0, 0.0, 0.0]"),
        (4, "AUGMENT", "TrivialAugment"),
    ],
)
def test_augmentations_of_colors_are_refused_where_there_are_none(channels, key, value):
    with pytest.raises(ValueError, match=f"TRAIN.{key} .*CHANNELS {channels}"):
        load_cfg(None, ["DATA_LOADER.CHANNELS", str(channels), f"TRAIN.{key}", value])


# ---- scale, arrays


def test_the_scale_has_a_number_for_each_channel():
    words = ["TRAIN.DATASET", "imagenet", "DATA_LOADER.CHANNELS"]
    mean, std = color_scale(load_cfg(None, [*words, "1"]), "train")
    assert mean == pytest.approx([np.dot(LUMA, (0.485, 0.456, 0.406))])
    assert std == pytest.approx([np.dot(LUMA, (0.229, 0.224, 0.225))])
    assert color_scale(load_cfg(None, [*words, "4"]), "train")[0] == (0.485, 0.456, 0.406, 0.5)


@pytest.mark.parametrize("there, asked", [(1, 1), (3, 1), (1, 3), (3, 3), (4, 4), (6, 6), (4, 3), (3, 4)])
def test_arrays_of_any_number_of_channels(there, asked):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, there), np.uint8)
    samples = ArraySamples(images, np.arange(8), tuple("abcdefgh"), "mine")
    scale = ["DATA_LOADER.MEAN", str([0.0] * asked), "DATA_LOADER.STD", str([1.0] * asked)]
    words = ["TEST.DATASET", "cifar10", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32", "TEST.BATCH_SIZE", "8"]
    cfg = load_cfg(None, [*words, "DATA_LOADER.CHANNELS", str(asked), *scale])
    if there != asked and 4 in (there, asked):
        with pytest.raises(ValueError, match=f"CHANNELS {asked}: the images of mine have {there} channels"):
            build_loader(cfg, "test", CPU, samples)
        return
    (batch,) = build_loader(cfg, "test", CPU, samples).epoch(0)
    wanted = images if there == asked else images @ LUMA[:, None] if asked == 1 else images.repeat(3, axis=3)
    assert np.allclose(255 * batch.images.permute(0, 2, 3, 1), wanted, atol=1e-3)


def test_dali_says_what_it_cannot(tmp_path):
    pytest.importorskip("nvidia.dali")
    assert "dali_cpu" in CLASSES
    samples = write_files(tmp_path, RGBA_FILES)
    words = ["TEST.DATASET", "imagenet", "DATA_LOADER.BACKEND", "dali_cpu", "DATA_LOADER.CHANNELS", "4"]
    with pytest.raises(ValueError, match=r"'dali_cpu' shows RGB and gray of 8 bits, not DATA_LOADER\.CHANNELS 4"):
        build_loader(load_cfg(None, words), "test", CPU, samples)
