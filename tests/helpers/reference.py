"""The pixels that all backends must show: Pillow decodes, torchvision's PIL transforms or SciPy's sampling resize."""

import io

import numpy as np
import torchvision.transforms.functional as tv
from PIL import Image
from scipy.ndimage import map_coordinates
from torchvision.transforms import InterpolationMode

from pycls.datasets.transforms.view import View


def reference_square(data: bytes, view: View, box: np.ndarray, flip: bool, cubic: bool = False) -> np.ndarray:
    """Return uint8-valued float (S, S, 3): what torchvision's PIL transforms show of `box`, or of the eval view."""
    image = open_rgb(data)
    mode = InterpolationMode.BICUBIC if cubic else InterpolationMode.BILINEAR
    square = _pillow_square(image, view, box, mode) if view.antialias else _bilinear_square(image, view, box)
    return (square[:, ::-1] if flip else square).astype(np.float64)


def _is_crop(view: View) -> bool:
    return view.train and view.crop_style != "center"


def open_rgb(data: bytes) -> Image.Image:
    """Open as torchvision's ImageFolder does, but for 16-bit and float gray, of which it would make white and black."""
    image = Image.open(io.BytesIO(data))
    if image.mode == "F":
        image = Image.fromarray(np.rint(255 * np.asarray(image)).astype(np.uint8))
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    return image.convert("RGB")


def _pillow_square(image: Image.Image, view: View, box: np.ndarray, mode: InterpolationMode) -> np.ndarray:
    if _is_crop(view):
        return np.asarray(tv.resized_crop(image, *map(int, box), [view.size, view.size], mode))
    return np.asarray(tv.center_crop(tv.resize(image, [view.resize], mode), [view.size, view.size]))


def _bilinear_square(image: Image.Image, view: View, box: np.ndarray) -> np.ndarray:
    """Sample the middle of each output pixel's part of the box; training crops know nothing beyond their edge."""
    top, left, height, width = box
    pixels = np.asarray(image).astype(np.float64)
    if _is_crop(view):
        pixels = pixels[int(top) : int(top + height), int(left) : int(left + width)]
        top = left = 0.0
    steps = (np.arange(view.size) + 0.5) / view.size
    grid = np.meshgrid(top + steps * height - 0.5, left + steps * width - 0.5, indexing="ij")
    planes = [map_coordinates(pixels[..., channel], grid, order=1, mode="nearest") for channel in range(3)]
    return np.rint(np.stack(planes, axis=2))
