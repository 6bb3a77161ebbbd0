"""DATA_LOADER.DEPTH full: all bits of 16-bit and float files, in every backend that can, against numpy and Pillow."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.datasets.decoders.bands import decode_pixels
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.decoders.pillow import decode_rgb
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.normalize import Normalize
from tests.helpers.backends import draw, make_backend, make_view
from tests.helpers.odd_images import png_rgb16
from tests.helpers.photographs import encode, load, write_files

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
GRAY16 = RNG.integers(0, 65_536, (60, 80), np.uint16)
RGB16 = RNG.integers(0, 65_536, (50, 70, 3), np.uint16)
FLOAT = RNG.random((40, 90), np.float32)
EIGHT = RNG.integers(0, 256, (5, 7, 3), np.uint8)
PHOTO = np.asarray(load("coffee.png", (80, 60)))


def _tiff(pixels: np.ndarray, **options: object) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def _files() -> dict[str, tuple[bytes, np.ndarray]]:
    """Return name -> (file, what it shows, float (H, W, 3))."""
    photo = Image.fromarray(PHOTO)
    return {
        "gray16.png": (encode(Image.fromarray(GRAY16), "PNG"), GRAY16[..., None].repeat(3, 2) / 65_535),
        "gray16.tif": (encode(Image.fromarray(GRAY16), "TIFF"), GRAY16[..., None].repeat(3, 2) / 65_535),
        "float.tif": (encode(Image.fromarray(FLOAT), "TIFF"), FLOAT[..., None].repeat(3, 2)),
        "rgb16.png": (png_rgb16(RGB16), RGB16 / 65_535),
        "rgb16.tif": (_tiff(RGB16, photometric="rgb"), RGB16 / 65_535),
        "float_rgb.tif": (_tiff((RGB16 / 65_535).astype(np.float32), photometric="rgb"), RGB16 / 65_535),
        "double.tif": (_tiff(FLOAT.astype(np.float64)), FLOAT[..., None].repeat(3, 2)),
        "eight.png": (encode(photo, "PNG"), PHOTO / 255),
        "eight.tif": (encode(photo, "TIFF"), PHOTO / 255),
        "gray8.png": (encode(photo.convert("L"), "PNG"), np.asarray(photo.convert("L"))[..., None].repeat(3, 2) / 255),
    }


def test_every_kind_of_file_keeps_its_bits():
    for name, (data, wanted) in _files().items():
        shown = decode_pixels(data, 3, full=True)
        assert shown.dtype == np.float32 and np.allclose(shown, wanted, atol=1e-6), name
        alpha = decode_pixels(data, 4, full=True)
        assert np.allclose(alpha[..., :3], wanted, atol=1e-6) and (alpha[..., 3] == 1).all(), name


def test_eight_bits_of_the_same_files():
    for name, (data, wanted) in _files().items():
        deep = 65_535 / 256 if "16" in name and "float" not in name else 255
        assert np.abs(decode_rgb(data) - np.clip(wanted * deep, 0, 255)).max() <= 1, name


@pytest.mark.parametrize("white", [250, 65_535])
def test_either_byte_order_is_the_same(white):
    pixels = np.linspace(0, white, 40 * 50).reshape(40, 50).astype(np.uint16)
    shown = [_tiff(pixels, photometric="minisblack", byteorder=order) for order in "<>"]
    assert (decode_rgb(shown[0]) == decode_rgb(shown[1])).all()
    for data in shown:
        assert np.allclose(decode_pixels(data, 3, True)[..., 0], pixels / 65_535, atol=1e-6)


def test_files_whose_white_is_zero_are_no_negatives():
    eight = (GRAY16 >> 8).astype(np.uint8)
    for pixels, white in ((eight, 255), (GRAY16, 65_535), (FLOAT, 1)):
        data = _tiff(white - pixels, photometric="miniswhite")
        assert np.allclose(decode_pixels(data, 3, True)[..., 0], pixels / white, atol=1e-6)
        assert np.abs(decode_rgb(data)[..., 0] - 255 * (pixels / white)).max() <= 1
    pages = _tiff(65_535 - np.stack([GRAY16, GRAY16[::-1]]), photometric="miniswhite")
    assert np.allclose(decode_pixels(pages, 2, True)[..., 1], GRAY16[::-1] / 65_535, atol=1e-6)


def test_alpha_and_pages_keep_their_bits():
    rgba = RNG.integers(0, 65_536, (9, 8, 4), np.uint16)
    assert np.allclose(
        decode_pixels(_tiff(rgba, photometric="rgb", extrasamples=["unassalpha"]), 4, True), rgba / 65_535
    )
    assert np.allclose(decode_pixels(_tiff(np.moveaxis(rgba, 2, 0), photometric="minisblack"), 4, True), rgba / 65_535)
    floats = RNG.random((6, 9, 8), np.float32)
    assert np.allclose(decode_pixels(_tiff(floats, photometric="minisblack"), 6, True), np.moveaxis(floats, 0, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_tiff_is_turned_once(orientation):
    tag = [(274, 3, 1, orientation, True)]
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(_tiff(EIGHT, photometric="rgb", extratags=tag))))
    for deep in (EIGHT.astype(np.uint16) * 257, (EIGHT / 255).astype(np.float32)):
        data = _tiff(deep, photometric="rgb", extratags=tag)
        header = read_header(data, exif_rotate=True)
        assert (header.width, header.height) == wanted.size and header.orientation == 1
        assert np.allclose(decode_pixels(data, 3, True), np.asarray(wanted) / 255, atol=1e-6)


@pytest.mark.parametrize("pixels", [[[0, 2.0]], [[-1, 0.5]], [[np.nan, 0]]])
def test_floats_whose_white_nobody_knows_are_refused(pixels):
    for data in (encode(Image.fromarray(np.array(pixels, np.float32)), "TIFF"), _tiff(np.array(pixels, np.float64))):
        with pytest.raises(ValueError, match="float pixels"):
            decode_pixels(data, 3, full=True)
        with pytest.raises(ValueError, match="float pixels"):
            decode_rgb(data)


@pytest.mark.parametrize("count", [4, 6])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_samples_that_nobody_can_name_are_refused(count, kind):
    # Pillow does not know them, and OpenCV would show some of them as gray, or out of order.
    data = _tiff(np.ones((9, 8, count), kind), photometric="minisblack", planarconfig="contig")
    for read in (read_header, decode_rgb, lambda data: decode_pixels(data, 3, full=True)):
        with pytest.raises(ValueError, match=r"no decoder knows this kind of file|not an image that can be read"):
            read(data)


def test_a_damaged_tiff_is_a_value_error(capfd):
    data = _files()["float_rgb.tif"][0]
    for damaged in (
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        data[:9],
        data[: len(data) // 2],
        data[:200] + bytes(len(data) - 200),
    ):
        with pytest.raises(ValueError, match=r"decode|not an image"):
            decode_rgb(damaged)
    assert "OpenCV" not in capfd.readouterr().err


def test_planes_that_lie_apart_are_refused():
    data = _tiff(np.moveaxis(RGB16, 2, 0), photometric="rgb", planarconfig="separate")
    with pytest.raises(ValueError, match="separate planes: save them together"):
        decode_pixels(data, 3, full=True)


def _shown(pixels: np.ndarray, view: views.View, index: int) -> np.ndarray:
    """Return what Pillow's 32-bit floats show of an image (H, W, 3), channel by channel."""
    height, width = pixels.shape[:2]
    (box,) = views.boxes(view, 0, np.array([index]), np.array([height]), np.array([width]))
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels.astype(np.float32), 2, 0)]
    kind = Image.Resampling.BICUBIC if view.interpolation == "bicubic" else Image.Resampling.BILINEAR
    top, left, box_h, box_w = box
    part = left, top, left + box_w, top + box_h
    if view.train:  # the filter sees nothing beyond the crop
        planes, part = [plane.crop(tuple(map(int, part))) for plane in planes], None
    shown = [plane.resize((24, 24), kind, box=part) for plane in planes]
    square = np.stack([np.asarray(plane) for plane in shown], axis=2).clip(0, 1)
    return square[:, ::-1] if views.flips(view, 0, np.array([index]))[0] else square


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["custom", "custom_opencv", "torch"])
def test_every_backend_shows_floats_alike(name, train, interpolation, tmp_path):
    files = _files()
    samples = write_files(tmp_path, {file: data for file, (data, _) in files.items()})
    view = make_view(train, size=24, resize=28, full=True, interpolation=interpolation)
    backend = make_backend(name, samples, view, num_workers=0)
    (squares,) = backend.batches(0, [np.arange(len(files))])
    squares = squares.numpy().copy()
    backend.close()
    assert squares.dtype == np.float32 and squares.min() >= 0 and squares.max() <= 1
    for index, (file, (_, pixels)) in enumerate(files.items()):
        difference = np.abs(squares[index] - _shown(pixels, view, index))
        assert difference.mean() < 1e-3, f"{file}: {difference.mean()}"  # a quarter of a gray level of 255


def test_worker_processes_hand_floats_over(tmp_path):
    samples = write_files(tmp_path, {"a.png": _files()["gray16.png"][0]})
    view = make_view(False, size=24, resize=28, full=True)
    backends = [
        make_backend("custom", samples, view, num_workers=workers, worker_mode=mode)
        for workers, mode in ((0, "auto"), (1, "threads"), (1, "processes"))
    ]
    first, *others = [draw(backend, 0, [[0]]) for backend in backends]
    for backend in backends:
        backend.close()
    assert first.dtype == np.float32 and all((other == first).all() for other in others)


@pytest.mark.parametrize("count", [1, 3, 4])
@pytest.mark.parametrize("channels_last", [True, False])
def test_floats_are_normalized_from_0_to_1(count, channels_last):
    pixels = torch.rand(3, 5, 6, 3 if count == 1 else count)
    before, mean, std = pixels.clone(), np.linspace(0.2, 0.6, count), np.linspace(0.3, 0.5, count)
    shown = Normalize(tuple(mean), tuple(std), CPU, channels_last, white=1)(pixels)
    wanted = pixels.numpy() @ [[0.299], [0.587], [0.114]] if count == 1 else pixels.numpy()
    assert np.allclose(shown.permute(0, 2, 3, 1), (wanted - mean) / std, atol=1e-5)
    assert torch.equal(pixels, before), "the loader's memory is not changed"


@pytest.mark.parametrize("key, value", [("AUGMENT", "AugMix"), ("COLOR_JITTER", "[0.1, 0, 0, 0]")])
def test_augmentations_of_eight_bits_are_refused(key, value):
    with pytest.raises(ValueError, match=rf"TRAIN.{key} .* is for 8 bits, not for DATA_LOADER.DEPTH full"):
        load_cfg(None, ["DATA_LOADER.DEPTH", "full", f"TRAIN.{key}", value])


def test_backends_that_cannot_say_so(tmp_path):
    words = ["DATA_LOADER.DEPTH", "full", "TEST.DATASET", "cifar10", "TRAIN.IM_SIZE", "32", "TEST.IM_SIZE", "32"]
    samples = ArraySamples(np.zeros((2, 32, 32, 3), np.uint8), np.arange(2), ("a", "b"), "mine")
    with pytest.raises(ValueError, match=r"DATA_LOADER\.DEPTH full: the images of mine have 8 bits"):
        build_loader(load_cfg(None, words), "test", CPU, samples)
    pytest.importorskip("nvidia.dali")
    files = write_files(tmp_path, {"a.png": _files()["gray16.png"][0]})
    words = ["DATA_LOADER.DEPTH", "full", "TEST.DATASET", "imagenet", "DATA_LOADER.BACKEND", "dali_cpu"]
    with pytest.raises(ValueError, match=r"'dali_cpu' shows RGB and gray of 8 bits, not DATA_LOADER\.DEPTH full"):
        build_loader(load_cfg(None, words), "test", CPU, files)
