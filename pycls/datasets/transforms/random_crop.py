"""Crop geometry: the laws of random crops and the center view, vectorized over images, in source pixels.

A box is (top, left, height, width), float64. A random law turns uniform draws (n, NUM_DRAWS) into one box an image.
"""

import numpy as np

from pycls.core.config.im_size import ImSize, sides

NUM_TRIES = 10
NUM_DRAWS = 3 * NUM_TRIES + 2  # area, aspect and swap of each try, then top and left
Range = tuple[float, float]


def torchvision_boxes(
    draws: np.ndarray, heights: np.ndarray, widths: np.ndarray, area: Range, aspect: Range, size: ImSize
) -> np.ndarray:
    """Return (n, 4) boxes as torchvision's RandomResizedCrop draws them: log-uniform aspect, every offset possible."""
    areas, ratios, _ = _tries(draws)
    low, high = np.log(aspect)
    ratios = np.exp(low + (high - low) * ratios)
    found, height, width = _first_fit(_between(area, areas), ratios, heights, widths)
    top = np.floor(draws[:, -2] * (heights - height + 1))
    left = np.floor(draws[:, -1] * (widths - width + 1))
    fallback = _center_boxes(heights, widths, aspect)
    return np.where(found[:, None], np.stack([top, left, height, width], axis=1), fallback)


def pycls_boxes(
    draws: np.ndarray, heights: np.ndarray, widths: np.ndarray, area: Range, aspect: Range, size: ImSize
) -> np.ndarray:
    """Return (n, 4) boxes as pycls draws them: linear aspect, sides swapped half the time, never the last offset.

    They are made for squares.
    """
    areas, ratios, swaps = _tries(draws)
    ratios = _between(aspect, ratios)
    ratios = np.where(swaps < 0.5, 1 / ratios, ratios)
    found, height, width = _first_fit(_between(area, areas), ratios, heights, widths)
    top = np.floor(draws[:, -2] * (heights - height))
    left = np.floor(draws[:, -1] * (widths - width))
    fallback = _short_side_boxes(heights, widths, sides(size)[0])
    return np.where(found[:, None], np.stack([top, left, height, width], axis=1), fallback)


CROP_LAWS = {"torchvision": torchvision_boxes, "pycls": pycls_boxes}


def center_view(heights: np.ndarray, widths: np.ndarray, resize: ImSize, size: ImSize) -> tuple[np.ndarray, ...]:
    """Return torchvision's Resize(resize) + CenterCrop(size) as whole numbers: resized height and width, top, left.

    Resized, an image just covers `resize`: one side is as long (of a square: the shorter one), the other is truncated.
    The offsets are rounded half to even. All as torchvision does.
    """
    (cover_h, cover_w), (height, width) = sides(resize), sides(size)
    by_height, by_width = cover_h * widths >= cover_w * heights, cover_h * widths <= cover_w * heights
    resized_h = np.where(by_height, cover_h, np.floor(cover_w * heights / widths))
    resized_w = np.where(by_width, cover_w, np.floor(cover_h * widths / heights))
    return resized_h, resized_w, np.rint((resized_h - height) / 2), np.rint((resized_w - width) / 2)


def center_view_boxes(heights: np.ndarray, widths: np.ndarray, resize: ImSize, size: ImSize) -> np.ndarray:
    """Return the (n, 4) source regions that the center view shows, rounding of both its steps included."""
    resized_h, resized_w, top, left = center_view(heights, widths, resize, size)
    scale_h, scale_w = heights / resized_h, widths / resized_w
    height, width = sides(size)
    return np.stack([top * scale_h, left * scale_w, height * scale_h, width * scale_w], axis=1)


def _tries(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split (n, NUM_DRAWS) draws into the area, aspect and swap draws of the tries, (n, NUM_TRIES) each."""
    assert draws.shape[1] == NUM_DRAWS
    area, aspect, swap = (draws[:, k * NUM_TRIES : (k + 1) * NUM_TRIES] for k in range(3))
    return area, aspect, swap


def _between(limits: Range, draws: np.ndarray) -> np.ndarray:
    return limits[0] + (limits[1] - limits[0]) * draws


def _first_fit(
    areas: np.ndarray, ratios: np.ndarray, heights: np.ndarray, widths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (found, height, width), (n,) each, of the first try whose box lies inside its image."""
    targets = areas * (heights * widths)[:, None]
    box_h, box_w = np.rint(np.sqrt(targets / ratios)), np.rint(np.sqrt(targets * ratios))
    fits = (box_h > 0) & (box_w > 0) & (box_h <= heights[:, None]) & (box_w <= widths[:, None])
    rows, first = np.arange(len(fits)), fits.argmax(axis=1)
    return fits[rows, first], box_h[rows, first], box_w[rows, first]


def _center_boxes(heights: np.ndarray, widths: np.ndarray, aspect: Range) -> np.ndarray:
    """Return torchvision's fallback: the largest centered box with an aspect inside the range, of at least a pixel."""
    box_h = np.minimum(heights, np.maximum(1, np.rint(widths / min(aspect))))
    box_w = np.minimum(widths, np.maximum(1, np.rint(heights * max(aspect))))
    return np.stack([(heights - box_h) // 2, (widths - box_w) // 2, box_h, box_w], axis=1)


def _short_side_boxes(heights: np.ndarray, widths: np.ndarray, size: int) -> np.ndarray:
    """Return pycls's fallback, short side to `size`, then a centered square, in whole source pixels (half a px off)."""
    short = np.minimum(heights, widths)
    resized_h, resized_w = np.floor(size * heights / short), np.floor(size * widths / short)
    top, left = np.ceil((resized_h - size) / 2), np.ceil((resized_w - size) / 2)
    return np.stack([np.rint(top * short / size), np.rint(left * short / size), short, short], axis=1)
