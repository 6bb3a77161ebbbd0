"""The C extension shows Pillow's pixels, bit for bit, whatever the JPEG, the box and the processor; or says no."""

import io

import numpy as np
import pytest
from PIL import Image

from pycls.core.config import load_cfg
from pycls.datasets.decoders import libjpeg_turbo
from pycls.datasets.decoders.encoded import EncodedImage
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.readers import native
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View
from pycls.engine.profiling.info import info
from tests.helpers import jpegs
from tests.helpers.backends import draw, make_backend, make_view
from tests.helpers.photographs import encode, kinds, load, write_files
from tests.helpers.reference import reference_square

LAYOUTS = jpegs.layouts()
EVAL = [(48, 56), (48, 48), (224, 256)]  # IM_SIZE and the shorter side before the crop, px


def _show(data: bytes, view: View, box: np.ndarray, flip: bool, level: int) -> np.ndarray | None:
    """Return the square, between two rows of guard bytes that must stay as they are; None: not done."""
    memory = np.full((view.size + 2, view.size, 3), 77, np.uint8)
    board = np.array([7]), np.zeros(2, np.int64)
    look = box, np.array([flip]), views.filters(view, 0, np.zeros(1)), not view.train
    (done,) = native.extension().resized_crops([data], *look, memory[1:-1], view.size, *board, level)
    assert (board[1] == (7, 1)).all()
    assert (memory[[0, -1]] == 77).all()
    return memory[1:-1] if done else None


def _eval_box(view: View, data: bytes) -> np.ndarray:
    width, height = Image.open(io.BytesIO(data)).size
    return views.boxes(view, 0, np.arange(1), np.array([height]), np.array([width]))[0]


def _all_levels(data: bytes, view: View, box: np.ndarray, flip: bool) -> np.ndarray:
    """Return the square, which every kind of processor must show in the same bits."""
    squares = [_show(data, view, box, flip, level) for level in jpegs.LEVELS]
    assert all((square == squares[0]).all() for square in squares)
    return squares[0]


@jpegs.needs_extension
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_training_crops_are_pillows_bit_for_bit(name, interpolation):
    data, image = LAYOUTS[name], Image.open(io.BytesIO(LAYOUTS[name])).convert("RGB")
    for number, box in enumerate(jpegs.boxes(image.height, image.width)):
        view = make_view(train=True, size=(37, 64, 5)[number % 3], interpolation=interpolation)
        flip = number % 2 == 1
        assert (_all_levels(data, view, box, flip) == jpegs.pillow_square(image, view, box, flip)).all(), box


@jpegs.needs_extension
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_eval_view_is_pillows_bit_for_bit(name, interpolation):
    data, image = LAYOUTS[name], Image.open(io.BytesIO(LAYOUTS[name])).convert("RGB")
    for size, resize in EVAL:
        view = make_view(train=False, size=size, resize=resize, interpolation=interpolation)
        box = _eval_box(view, data)
        assert (_all_levels(data, view, box, False) == jpegs.pillow_square(image, view, box, False)).all()


@jpegs.needs_extension
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", LAYOUTS)
def test_plain_bilinear_samples_pixel_centers(name, train):
    data, view = LAYOUTS[name], make_view(train, antialias=False, size=61, resize=70)
    width, height = Image.open(io.BytesIO(data)).size
    for box in jpegs.boxes(height, width) if train else [_eval_box(view, data)]:
        difference = np.abs(_all_levels(data, view, box, True) - reference_square(data, view, box, True))
        assert difference.max() <= 1 and difference.mean() < 0.1  # halves are rounded up here and to even there


@jpegs.needs_extension
def test_one_call_to_pillow_differs_by_its_order_of_passes_only():
    # Since version 13 Pillow does the rows first on tall crops: one gray level here and there.
    data, view = LAYOUTS["420"], make_view(size=64)
    tall = np.array([0.0, 0.0, 227.0, 80.0])
    difference = np.abs(_show(data, view, tall, False, 0) - reference_square(data, view, tall, False))
    assert difference.max() <= 1 and difference.mean() < 0.25


REFUSED = {
    "nothing": b"",
    "text": b"no image\n" * 30,
    "png": encode(load("coffee.png", (40, 30)), "PNG"),
    "cmyk": kinds()["jpeg_cmyk.JPEG"],
    "rgb": kinds()["jpeg_rgb.JPEG"],
    "cut short": LAYOUTS["420"][:-900],
    "cut short, end mark": LAYOUTS["420"][:-900] + b"\xff\xd9",
    "progressive, last scans missing": LAYOUTS["420_progressive"][:-3000] + b"\xff\xd9",
    "enormous": jpegs.with_size(LAYOUTS["420"], 65500, 65500),
    "no height": jpegs.with_size(LAYOUTS["420"], 0, 301),
    "12 bits": LAYOUTS["420"].replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c"),
    "arithmetic": LAYOUTS["420"].replace(b"\xff\xc0", b"\xff\xc9"),
}


@jpegs.needs_extension
@pytest.mark.parametrize("name", REFUSED)
def test_what_other_decoders_must_judge_is_refused(name, capfd):
    whole = np.array([0.0, 0.0, 227.0, 301.0])
    assert _show(REFUSED[name], make_view(size=32), whole, False, 0) is None
    assert capfd.readouterr() == ("", "")


@jpegs.needs_extension
@pytest.mark.parametrize("box", [[-1, 0, 9, 9], [0, 300, 9, 9], [0, 0, 0, 9], [0, 0, 9, 1e9], [np.nan, 0, 9, 9]])
def test_a_box_outside_the_image_is_refused(box):
    assert _show(LAYOUTS["420"], make_view(size=32), np.array(box, np.float64), False, 0) is None


@jpegs.needs_extension
def test_wrong_arguments_are_errors():
    good = {
        "files": [b""],
        "boxes": np.zeros(4),
        "flips": np.zeros(1, bool),
        "filters": np.zeros(1, np.uint8),
        "beyond": False,
        "places": np.zeros((8, 8, 3), np.uint8),
        "side": 8,
        "indices": np.zeros(1, np.int64),
        "row": np.zeros(2, np.int64),
        "level": 0,
    }
    assert native.extension().resized_crops(*good.values()) == [False]
    for wrong, message in [
        ({"side": 9}, "resized_crops needs"),
        ({"side": -8}, "resized_crops needs"),
        ({"boxes": np.zeros(3)}, "resized_crops needs"),
        ({"flips": np.zeros(2, bool)}, "resized_crops needs"),
        ({"filters": np.zeros(2, np.uint8)}, "resized_crops needs"),
        ({"filters": np.full(1, 3, np.uint8)}, "no such filter"),
        ({"files": [b"", None]}, "resized_crops needs"),
        ({"indices": np.zeros(1, np.int32)}, "a call needs"),
        ({"row": np.zeros(1, np.int64)}, "a call needs"),
        ({"level": 9}, "no level 9"),
    ]:
        with pytest.raises(ValueError, match=message):
            native.extension().resized_crops(*(good | wrong).values())
    with pytest.raises(TypeError, match="bytes"):
        native.extension().resized_crops(*(good | {"files": ["text"]}).values())


@jpegs.needs_extension
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_both_decoders_of_the_backend_agree_on_every_kind_of_file(train, antialias, photographs):
    view, squares = make_view(train, antialias), []
    for decoder in ("c", "opencv"):
        backend = make_backend("custom", photographs, view, decoder=decoder)
        squares.append(draw(backend, 3, [range(len(photographs))]).astype(float))
        backend.close()
    difference = np.abs(squares[0] - squares[1]).mean(axis=(1, 2, 3))
    # Without antialias OpenCV's fixed-point bilinear rounds otherwise on a scale of exactly two.
    assert difference.max() < (0.2 if antialias else 0.5) and difference.mean() < 0.2


@jpegs.needs_extension
def test_worker_processes_use_it_too(tmp_path):
    samples = write_files(tmp_path, {f"{name}.JPEG": data for name, data in list(LAYOUTS.items())[:6]})
    results = []
    for mode in ("threads", "processes"):
        backend = make_backend("custom", samples, make_view(size=40), worker_mode=mode, decoder="c")
        results.append(draw(backend, 0, [range(6)]))
        backend.close()
    assert (results[0] == results[1]).all()


@jpegs.needs_extension
def test_the_view_decides_what_the_call_does():
    data, place = LAYOUTS["420"], np.zeros((48, 48, 3), np.uint8)
    for train, antialias, flip in [(True, True, True), (True, False, False), (False, True, False)]:
        view, box = make_view(train, antialias, 48, 56), np.array([20.0, 31.0, 140.0, 150.0])
        box = box if train else _eval_box(view, data)
        kind = Filter(views.filters(view, 0, np.zeros(1))[0])
        assert jpegs.show(view, EncodedImage(data, read_header(data), box, flip, kind), place)
        assert np.abs(place - reference_square(data, view, box, flip)).mean() < 0.2


def test_without_the_extension_opencv_decodes_and_says_how_to_change_that(monkeypatch):
    monkeypatch.setattr(libjpeg_turbo, "extension", lambda: "the C extension is not built")
    assert not libjpeg_turbo.use_extension("auto")
    assert "not built" in libjpeg_turbo.describe("auto") and "libjpeg-dev" in libjpeg_turbo.describe("auto")
    with pytest.raises(ValueError, match=r"DATA_LOADER\.JPEG: 'c' .*not built"):
        libjpeg_turbo.use_extension("c")


class PlainLoops:
    """The extension on a processor without AVX2."""

    @staticmethod
    def levels() -> list[str]:
        """Return the kernels."""
        return ["scalar"]


@pytest.mark.parametrize(("machine", "is_faster"), [("x86_64", False), ("aarch64", True)])
def test_a_processor_on_which_opencv_is_faster_gets_opencv(monkeypatch, machine, is_faster):
    monkeypatch.setattr(libjpeg_turbo, "extension", PlainLoops)
    monkeypatch.setattr(libjpeg_turbo, "loaded", PlainLoops)
    monkeypatch.setattr(libjpeg_turbo.platform, "machine", lambda: machine)
    assert libjpeg_turbo.use_extension("c")
    assert libjpeg_turbo.use_extension("auto") == is_faster
    assert ("without AVX2" in libjpeg_turbo.describe("auto")) != is_faster


def test_the_choice_of_opencv_is_kept():
    assert not libjpeg_turbo.use_extension("opencv")
    assert libjpeg_turbo.describe("opencv").startswith("OpenCV")
    with pytest.raises(ValueError, match=r"DATA_LOADER\.JPEG"):
        libjpeg_turbo.use_extension("nvjpeg")


def test_info_net_says_what_decodes():
    cfg = load_cfg("configs/baselines/R-50.yaml")
    assert f"JPEG decoder of the custom loader: {libjpeg_turbo.describe('auto')}" in info(cfg)
