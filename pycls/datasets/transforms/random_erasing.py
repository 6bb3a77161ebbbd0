"""Random erasing (Zhong et al. 2020) by torchvision's law: which rectangle of a square becomes empty."""

import numpy as np

from pycls.core.config.im_size import ImSize, sides

AREA = (0.02, 0.33)  # of the view
LOG_ASPECT = (np.log(0.3), np.log(3.3))  # height / width
NUM_TRIES = 10
NUM_DRAWS = 3 + 2 * NUM_TRIES  # erased at all, top, left, then area and aspect of each try


def erased_boxes(draws: np.ndarray, prob: float, size: ImSize) -> np.ndarray:
    """Return int64 (n, 4): top, left, height, width in pixels, for draws (n, NUM_DRAWS); nothing erased is all 0."""
    areas, aspects = draws[:, 3 : 3 + NUM_TRIES], draws[:, 3 + NUM_TRIES :]
    view_h, view_w = sides(size)
    areas = (AREA[0] + (AREA[1] - AREA[0]) * areas) * (view_h * view_w)
    aspects = np.exp(LOG_ASPECT[0] + (LOG_ASPECT[1] - LOG_ASPECT[0]) * aspects)
    heights, widths = np.rint(np.sqrt(areas * aspects)), np.rint(np.sqrt(areas / aspects))
    fits = (heights < view_h) & (widths < view_w)
    rows, first = np.arange(len(draws)), fits.argmax(axis=1)
    height, width = heights[rows, first], widths[rows, first]
    top, left = np.floor(draws[:, 1] * (view_h - height + 1)), np.floor(draws[:, 2] * (view_w - width + 1))
    erased = (draws[:, 0] < prob) & fits[rows, first]
    return np.where(erased[:, None], np.stack([top, left, height, width], axis=1), 0).astype(np.int64)
