"""The same samples from every backend side by side, with their amplified differences to Pillow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pycls.core.page.pictures import data_uri, encode_image
from pycls.loader_benchmark.results import Squares

FACTOR = 64  # a difference of one gray level shows as this many
SIDE_PX = 128  # of the cut-out that is shown


@dataclass(frozen=True)
class Picture:
    """Pixels as an <img> carries them, without loss."""

    width: int
    height: int
    uri: str
    text: str  # for those who cannot see it


@dataclass(frozen=True)
class Figure:
    """What one backend shows, and below it the difference."""

    caption: str
    pictures: list[Picture]


@dataclass(frozen=True)
class PixelSample:
    """One image as every backend shows it."""

    name: str
    figures: list[Figure]


def pixel_samples(squares: Squares, view: str) -> list[PixelSample]:
    """Return for each image Pillow's square, then each backend's and its difference."""
    return [_sample(squares, index, view) for index in range(len(squares.names))]


def _sample(squares: Squares, index: int, view: str) -> PixelSample:
    name, reference = Path(squares.names[index]).name, squares.reference[index]
    figures = [Figure("Pillow (reference)", [_picture(reference, f"{name}, {view} view, as Pillow shows it")])]
    for backend, shown in squares.shown.items():
        difference = np.abs(shown[index].astype(np.int16) - reference)
        pictures = [
            _picture(shown[index], f"{name}, {view} view, as {backend} shows it"),
            _picture(amplified(difference), f"difference of {backend} to Pillow, {FACTOR} times amplified"),
        ]
        figures.append(Figure(f"{backend}: mean {difference.mean():.3f}, max {difference.max()}", pictures))
    return PixelSample(name, figures)


def amplified(difference: np.ndarray) -> np.ndarray:
    """Return a difference as a picture, uint8: white is none, each gray level makes it FACTOR darker, down to black."""
    return 255 - np.clip(FACTOR * difference.astype(np.int64), 0, 255).astype(np.uint8)


def _picture(pixels: np.ndarray, text: str) -> Picture:
    """Return the middle of a square."""
    cut = _middle(pixels)
    uri = data_uri(encode_image(Image.fromarray(cut), "PNG", optimize=True), "PNG")
    return Picture(cut.shape[1], cut.shape[0], uri, text)


def _middle(pixels: np.ndarray) -> np.ndarray:
    side = min(SIDE_PX, *pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]
