"""Make large images smaller before they are packed: other pixels than the original file's, for faster decoding."""

import io
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image

from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.bands import has_more_than_rgb
from pycls.datasets.decoders.image_header import read_header
from pycls.datasets.decoders.orientation import UPRIGHT, read_orientation
from pycls.datasets.readers.tar_index import DAMAGED, REDUCED, REENCODED


class PackedImage(NamedTuple):
    """Bytes for a shard, with what the index says about them."""

    data: bytes
    width: int  # px; 0: unreadable
    height: int
    flags: int


def prepare_image(data: bytes, max_side: int | None, quality: int, reencode_all: bool) -> PackedImage:
    """Return an encoded image as it is packed: untouched, or re-encoded if a side is longer than `max_side` px.

    `reencode_all` does it to the others as well where that saves bytes. What cannot be read is packed untouched and
    flagged: what to do about it is decided when it is used.
    """
    try:
        header = read_header(data)
        too_large = max_side is not None and max(header.height, header.width) > max_side
        if too_large or reencode_all:
            side, orientation = max_side if too_large else None, read_orientation(data)
            smaller = _reencoded(pillow.decode_rgb(data), side, quality, orientation)
            if has_more_than_rgb(data):
                smaller = smaller._replace(flags=REENCODED | REDUCED)
            if too_large or len(smaller.data) < len(data):
                return smaller
    except ValueError:
        return PackedImage(data, 0, 0, DAMAGED)
    return PackedImage(data, header.width, header.height, 0)


def _reencoded(pixels: np.ndarray, max_side: int | None, quality: int, orientation: int) -> PackedImage:
    """Encode (H, W, 3) as a JPEG, its longer side resized to `max_side` px, if any (as FFCV's max_resolution).

    Of its EXIF only the orientation is kept.
    """
    image = Image.fromarray(pixels)
    if max_side is not None:
        scale = max_side / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", **_exif(orientation))
    return PackedImage(buffer.getvalue(), image.width, image.height, REENCODED)


def _exif(orientation: int) -> dict[str, Image.Exif]:
    """Return what the encoder is told of an image that is not stored upright; nothing of others."""
    if orientation == UPRIGHT:
        return {}
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return {"exif": exif}
