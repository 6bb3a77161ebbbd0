"""JPEGs of every layout, damaged ones, and Pillow's own pixels of them: what the tests of the C extension share."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from pycls.datasets.decoders import libjpeg_turbo
from pycls.datasets.decoders.encoded import EncodedBatch, EncodedImage
from pycls.datasets.heartbeat import NOTHING, Heartbeat
from pycls.datasets.readers import native
from pycls.datasets.transforms.view import View, eval_geometry
from tests.helpers.photographs import encode, load

BUILT = not isinstance(native.extension(), str)
needs_extension = pytest.mark.skipif(not BUILT, reason=f"{native.extension()}: {native.HOW_TO_BUILD}")
LEVELS = range(len(native.extension().levels())) if BUILT else ()


def show(view: View, image: EncodedImage, place: np.ndarray) -> bool:
    """Have the extension show one image; tell whether it did."""
    look = image.box[None], np.array([image.flip]), np.array([image.filter], np.uint8)
    chunk = EncodedBatch(np.zeros(1, np.int64), [image.data], [image.header], *look, {})
    (done,) = libjpeg_turbo.decode_batch(view, chunk, place[None], Heartbeat(np.array([NOTHING, 0])))
    return done


def layouts() -> dict[str, bytes]:
    """Return name -> JPEG: chroma layouts, sizes that fill no block, progressive, restarts, gray, tiny, EXIF."""
    coffee, gray = load("coffee.png", (301, 227)), load("camera.png", (203, 199)).convert("L")
    files = {f"{name}{'_progressive' * way}": _sampled(coffee, code, way) for name, code in _FACTORS for way in (0, 1)}
    files |= {
        "gray": encode(gray, quality=90),
        "gray_progressive": encode(gray, quality=90, progressive=True),
        "restarts": encode(coffee, quality=90, subsampling=2, restart_marker_blocks=5),
        "whole_blocks": encode(load("coffee.png", (320, 240)), quality=85, subsampling=2),
        "one_pixel": encode(load("coffee.png", (1, 1))),
        "column": encode(load("coffee.png", (3, 150)), subsampling=2),
        "row": encode(load("coffee.png", (150, 2)), subsampling=2),
        "small": encode(load("coffee.png", (17, 18)), subsampling=2),
        "large": encode(load("coffee.png", (1100, 801)), quality=60),
    }
    return files


_FACTORS = (("444", 0x111111), ("422", 0x211111), ("420", 0x221111), ("440", 0x121111), ("411", 0x411111))


def _sampled(image: Image.Image, factors: int, progressive: int) -> bytes:
    """Encode with OpenCV, which knows layouts that Pillow does not write."""
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    return cv2.imencode(".jpg", np.asarray(image)[..., ::-1], options)[1].tobytes()


def boxes(height: int, width: int) -> np.ndarray:
    """Return float64 (n, 4): all of the image, its corners, edges and middle, a pixel, and random parts."""
    h, w = max(1, height // 2), max(1, width // 3)
    corners = [[top, left, h, w] for top in (0, height - h) for left in (0, width - w)]
    thin = [[height // 2, 0, 1, width], [0, 0, height, 1], [0, width // 2, height, 1], [height - 1, width - 1, 1, 1]]
    rng = np.random.default_rng([height, width])
    sides = rng.integers(1, (height + 1, width + 1), (8, 2))
    offsets = rng.integers(0, (height, width) - sides + 1)
    everything = [[0, 0, height, width], *corners, *thin, *np.hstack([offsets, sides])]
    return np.array(everything, np.float64)


def pillow_square(image: Image.Image, view: View, box: np.ndarray, flip: bool) -> np.ndarray:
    """Return Pillow's uint8 (S, S, 3), its two passes called one by one: columns first, as all versions but 13 do."""
    kind = Image.Resampling[view.interpolation.upper()]
    if view.train:
        top, left, height, width = map(int, box)
        square = _two_passes(image.crop((left, top, left + width, top + height)), view.size, view.size, kind)
    else:
        height, width, top, left = eval_geometry(view, image.height, image.width)
        square = _two_passes(image, height, width, kind).crop((left, top, left + view.size, top + view.size))
    return np.asarray(square)[:, ::-1] if flip else np.asarray(square)


def _two_passes(image: Image.Image, height: int, width: int, kind: Image.Resampling) -> Image.Image:
    return image.resize((width, image.height), kind).resize((width, height), kind)


def with_size(data: bytes, height: int, width: int) -> bytes:
    """Return a JPEG whose header tells another size than its data have."""
    start = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: start + 5] + struct.pack(">HH", height, width) + data[start + 9 :]


def damaged(data: bytes, number: int) -> bytes:
    """Return a JPEG cut short, with bits flipped, bytes overwritten or a part left out; a function of `number`."""
    rng, broken = np.random.default_rng(number), bytearray(data)
    start, end = sorted(rng.integers(2, len(data), 2).tolist())
    match number % 4:
        case 0:
            return bytes(broken[:start])
        case 1:
            for at in rng.integers(0, len(data), 1 + number % 5):
                broken[at] ^= 1 << int(rng.integers(8))
        case 2:
            end = min(end, start + 30)
            broken[start:end] = rng.bytes(end - start)
        case 3:
            del broken[start:end]
    return bytes(broken)
