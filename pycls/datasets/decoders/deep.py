"""Read samples of more than 8 bits that Pillow cuts to 8, or does not know: with OpenCV, as they are in the file."""

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

UNKNOWN = "cannot decode the image: no decoder knows this kind of file"
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_DEPTH, _PNG_COLOR = 24, 25  # bytes of the header
_DEEP_PNGS = (2, 4, 6)  # RGB, gray with alpha, RGBA
_BITS_PER_SAMPLE, _PLANAR, _SEPARATE = 258, 284, 2  # of TIFF: two tags, and a value of the second


def is_tiff(data: bytes) -> bool:
    """Tell whether a file says that it is TIFF."""
    return data.startswith(_TIFF_SIGNATURES)


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Tell whether an opened file has more than 8 bits a sample and Pillow would leave 8 of them."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))
        return len(bits) > 1 and max(bits) > 8
    return image.format == "PNG" and data[_PNG_DEPTH] == 16 and data[_PNG_COLOR] in _DEEP_PNGS


def read_deep(image: Image.Image, data: bytes) -> np.ndarray:
    """Return the samples of an opened file for which `is_deep`, (H, W, C): RGB, or RGBA; ValueError if that fails."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PLANAR) == _SEPARATE:
        raise ValueError("its samples lie in separate planes: save them together (PlanarConfiguration 1)")
    return read_samples(data)


def read_samples(data: bytes) -> np.ndarray:
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
