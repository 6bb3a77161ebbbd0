"""Make large images smaller before they are packed: other pixels than the original file's, for faster decoding."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from pycls.datasets import fallback
from pycls.datasets.header import read_header
from pycls.datasets.packed_index import DAMAGED, REENCODED


class PackedImage(NamedTuple):
    """Bytes for a shard, with what the index says about them."""

    data: bytes
    width: int  # px; 0: unreadable
    height: int
    flags: int


def prepare_image(data: bytes, max_side: int | None, quality: int) -> PackedImage:
    """Return an encoded image as it is packed: untouched, or, if a side is longer than `max_side` px, re-encoded.

    What cannot be read is packed untouched too, and flagged: what to do about it is decided when it is used.
    """
    try:
        header = read_header(data)
        if max_side is not None and max(header.height, header.width) > max_side:
            return _shrunk(fallback.decode_rgb(data), max_side, quality)
    except ValueError:
        return PackedImage(data, 0, 0, DAMAGED)
    return PackedImage(data, header.width, header.height, 0)


def _shrunk(pixels: np.ndarray, max_side: int, quality: int) -> PackedImage:
    """Resize (H, W, 3) so that the longer side has `max_side` px, as FFCV's max_resolution, and encode it as a JPEG."""
    scale = max_side / max(pixels.shape[:2])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return PackedImage(buffer.getvalue(), width, height, REENCODED)
