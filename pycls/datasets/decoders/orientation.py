"""How a camera was held: the EXIF orientation of a file, and pixels turned by it (DATA_LOADER.EXIF_ROTATE)."""

import io

import numpy as np
from PIL import ExifTags, Image

UPRIGHT = 1
# Where one of these is missing there is no orientation to look for: EXIF of JPEG, PNG (old and new), WebP; XMP.
_MARKS = (b"Exif\0", b"eXIf", b"EXIF", b"profile type exif", b":Orientation", b"com.adobe.xmp")
# Orientation -> (turned over its diagonal first, then mirrored top to bottom, then left to right).
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def read_orientation(data: bytes) -> int:
    """Return the orientation of an encoded image, 1 (upright) to 8, as PIL.ImageOps.exif_transpose understands it.

    TIFF files are always upright: Pillow turns them when it decodes them, whatever is asked. EXIF that cannot be read
    says nothing.
    """
    if not any(mark in data for mark in _MARKS):
        return UPRIGHT
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = UPRIGHT if image.format == "TIFF" else image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's plug-ins let any type through on damaged files
        return UPRIGHT
    return found if found in _TURNS else UPRIGHT


def swaps_sides(orientation: int) -> bool:
    """Tell whether height and width change places when an image is turned upright."""
    return _TURNS.get(orientation, (False,))[0]


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels (H, W, C) as they are to be seen, (H, W, C) or (W, H, C)."""
    if orientation == UPRIGHT:
        return pixels
    diagonal, top_bottom, left_right = _TURNS[orientation]
    pixels = pixels.swapaxes(0, 1) if diagonal else pixels
    pixels = pixels[::-1] if top_bottom else pixels
    return np.ascontiguousarray(pixels[:, ::-1] if left_right else pixels)
