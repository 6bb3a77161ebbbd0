"""The same samples from every backend side by side, with their amplified differences to Pillow, as HTML figures."""

import base64
import io
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from pycls.loader_benchmark.results import Squares

FACTOR = 64  # a difference of one gray level shows as this many
SIDE_PX = 128  # of the cut-out that is shown


def crops_html(squares: Squares, view: str) -> str:
    """Return one row of figures for each image: Pillow's square, then each backend's and its difference."""
    return "\n".join(_sample(squares, index, view) for index in range(len(squares.names)))


def _sample(squares: Squares, index: int, view: str) -> str:
    name, reference = Path(squares.names[index]).name, squares.reference[index]
    figures = [_figure([_image(reference, f"{name}, {view} view, as Pillow shows it")], "Pillow (reference)")]
    for backend, shown in squares.shown.items():
        difference = np.abs(shown[index].astype(np.int16) - reference)
        pictures = [
            _image(shown[index], f"{name}, {view} view, as {backend} shows it"),
            _image(amplified(difference), f"difference of {backend} to Pillow, {FACTOR} times amplified"),
        ]
        figures.append(_figure(pictures, f"{backend}: mean {difference.mean():.3f}, max {difference.max()}"))
    return f'<div class="sample"><h4>{escape(name)}</h4><div class="crops">{"".join(figures)}</div></div>'


def amplified(difference: np.ndarray) -> np.ndarray:
    """Return a difference as a picture, uint8: white is none, each gray level makes it FACTOR darker, down to black."""
    return 255 - np.clip(FACTOR * difference.astype(np.int64), 0, 255).astype(np.uint8)


def _figure(pictures: list[str], caption: str) -> str:
    return f"<figure>{''.join(pictures)}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(pixels: np.ndarray, alt: str) -> str:
    """Return the middle of a square as an <img> that carries its own bytes, without loss."""
    cut = _middle(pixels)
    buffer = io.BytesIO()
    Image.fromarray(cut).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f'width="{cut.shape[1]}" height="{cut.shape[0]}"'
    return f'<img {size} alt="{escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def _middle(pixels: np.ndarray) -> np.ndarray:
    side = min(SIDE_PX, *pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]
