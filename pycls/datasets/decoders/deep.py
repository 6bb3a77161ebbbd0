"""Read samples of more than 8 bits that Pillow cuts to 8, or does not know: with OpenCV, as they are in the file."""

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from pycls.datasets.decoders.limits import check_pixels

UNKNOWN = "cannot decode the image: no decoder knows this kind of file"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LONG_HEADER = (b"II+\0", b"MM\0+")  # of BigTIFF
_PNG_DEPTH, _PNG_COLOR = 24, 25  # bytes of the header
_DEEP_PNGS = (2, 4, 6)  # RGB, gray with alpha, RGBA
# Tags of TIFF, and some of their values.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR = 256, 257, 258, 262, 277, 284
_GRAY, _RGB, _SEPARATE = 1, 2, 2


def is_tiff(data: bytes) -> bool:
    """Tell whether a file says that it is TIFF."""
    return data.startswith(_TIFF_SIGNATURES)


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Tell whether an opened file has RGB of more than 8 bits a sample, of which Pillow would leave 8."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS, (8,))
        return len(bits) > 1 and max(bits) > 8 and image.tag_v2.get(_PHOTOMETRIC) == _RGB
    return image.format == "PNG" and data[_PNG_DEPTH] == 16 and data[_PNG_COLOR] in _DEEP_PNGS


def read_deep(image: Image.Image, data: bytes) -> np.ndarray:
    """Return the samples of an opened file for which `is_deep`, (H, W, C): RGB, or RGBA; ValueError if that fails."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR) == _SEPARATE:
        raise ValueError("its samples lie in separate planes: save them together (PlanarConfiguration 1)")
    return _read_samples(data)


def read_unknown(data: bytes) -> np.ndarray:
    """Return the samples (H, W, 1, 3 or 4) of a TIFF file that Pillow does not know, such as one of float RGB.

    ValueError for other files, and for TIFF that OpenCV would take for something else.
    """
    if not is_tiff(data):
        raise ValueError(UNKNOWN)
    tags = _read_tags(data)
    check_pixels(_side(tags.get(_HEIGHT)), _side(tags.get(_WIDTH)), len(data))
    count, photometric = tags.get(_SAMPLES, 1), tags.get(_PHOTOMETRIC)
    is_color = photometric == _RGB and count in (3, 4) and tags.get(_PLANAR) != _SEPARATE
    if not is_color and not (photometric == _GRAY and count == 1):
        raise ValueError(f"{UNKNOWN} (TIFF, {count} samples a pixel, photometric {photometric})")
    return _read_samples(data)


def unknown_size(data: bytes) -> tuple[int, int]:
    """Return height and width of a file that Pillow does not know; ValueError for one that `read_unknown` refuses."""
    return read_unknown(data).shape[:2]


def _side(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{UNKNOWN} (TIFF, of which no size is known)")
    return value


def _read_tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Return the tags of a TIFF file's first page, none where they cannot be read."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data.startswith(_LONG_HEADER) else 8])
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
    except Exception:  # as Pillow's plug-ins, on damaged files
        pass  # what was read so far tells
    return tags


def _read_samples(data: bytes) -> np.ndarray:
    """Return the samples of a file that OpenCV reads, (H, W, C): gray, RGB or RGBA; ValueError for what is none.

    TIFF files are turned upright, as Pillow does.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error is ours to tell
    try:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    if samples is None:
        raise ValueError(UNKNOWN)
    if samples.ndim == 2:
        return samples[..., None]
    order = [2, 1, 0, 3][: samples.shape[2]]
    return np.ascontiguousarray(samples[..., order])
