"""The recorded outputs of pycls's own functions, and the synthetic image they were made from."""

import json

import numpy as np

from tests.helpers.paths import RECORDS

RECORDS = json.loads((RECORDS / "data_crops.json").read_text())


def synth(height: int, width: int) -> np.ndarray:
    """Return the synthetic uint8 RGB image (H, W, 3) of the records, integer arithmetic only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (x * 255) // max(width - 1, 1)
    green = (y * 255) // max(height - 1, 1)
    blue = (x * 7 + y * 13 + (x * y) // 97) % 256
    rows, columns = slice(height // 4, height // 2), slice(width // 3, width // 2)
    red[rows, columns] = 255 - red[rows, columns]
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def probe(image: np.ndarray) -> np.ndarray:
    """Return the 25 pixels of (H, W, 3) that the records keep."""
    height, width = image.shape[:2]
    return np.array([image[i * (height - 1) // 4, j * (width - 1) // 4] for i in range(5) for j in range(5)])
