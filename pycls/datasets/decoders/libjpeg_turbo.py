"""JPEGs in C: one call decodes what is needed of those of a batch, resizes and flips it, without Python's lock.

What the extension (docs/JPEG.md) cannot do faithfully it leaves to OpenCV and Pillow.
"""

import platform

import numpy as np

from pycls.core.config.im_size import is_square
from pycls.core.registry import pick
from pycls.datasets.decoders.encoded import EncodedBatch
from pycls.datasets.decoders.image_header import JPEG_SIGNATURE, Header
from pycls.datasets.decoders.orientation import UPRIGHT
from pycls.datasets.heartbeat import Heartbeat
from pycls.datasets.readers.native import HOW_TO_BUILD, extension, loaded
from pycls.datasets.transforms.view import View

# Whether each choice of DATA_LOADER.JPEG uses the extension when there is one.
CHOICES = {"auto": True, "c": True, "opencv": False}


def use_extension(choice: str) -> bool:
    """Tell whether a choice of DATA_LOADER.JPEG means the extension; ValueError if "c" is asked for and not there."""
    wanted = pick(CHOICES, choice, "DATA_LOADER.JPEG")
    if choice == "c" and isinstance(extension(), str):
        raise ValueError(f"DATA_LOADER.JPEG: 'c' is not possible, {extension()}: {HOW_TO_BUILD}; or use 'auto'")
    return wanted and not isinstance(extension(), str) and (choice == "c" or not is_slow())


def fits(view: View) -> bool:
    """Tell whether the extension can show a view: squares of RGB of 8 bits."""
    return view.is_plain and is_square(view.size)


def is_slow() -> bool:
    """Tell whether OpenCV is faster: on x86 without AVX2 (before 2013), where the extension has plain C loops only."""
    return platform.machine() in ("x86_64", "AMD64") and loaded().levels() == ["scalar"]


def describe(choice: str) -> str:
    """Say what decodes JPEGs in the custom backend, such as "C extension, AVX-512", and what to do about a slow one."""
    if use_extension(choice):
        return f"C extension, {loaded().levels()[-1]}"
    if not CHOICES[choice]:
        return f"OpenCV (DATA_LOADER.JPEG: {choice})"
    if not isinstance(extension(), str):
        return "OpenCV: faster than the C extension on a processor without AVX2"
    return f"OpenCV: {how_to_be_faster(choice)}"


def how_to_be_faster(choice: str) -> str:
    """Return why a choice of DATA_LOADER.JPEG means OpenCV though the extension was wanted, and the way out; or ""."""
    missing = extension() if CHOICES[choice] else None
    return f"{missing}; to make it faster, {HOW_TO_BUILD}" if isinstance(missing, str) else ""


def decode_batch(view: View, encoded: EncodedBatch, out: np.ndarray, note: Heartbeat) -> list[bool]:
    """Write the view of each JPEG into `out`, uint8 (n, S, S, 3); False: not done, another decoder must."""
    files = [
        data if is_plain_jpeg(data, header) and header.orientation == UPRIGHT else None
        for data, header in zip(encoded.data, encoded.headers, strict=True)
    ]
    # Of a random crop the filter sees the crop only, as if it had been cut out; of the middle all of the image.
    look = encoded.boxes, encoded.flips, encoded.filters, not view.crops_randomly
    return loaded().resized_crops(files, *look, out, out.shape[1], encoded.indices, note.row)


def is_plain_jpeg(data: bytes, header: Header) -> bool:
    """Tell whether a file is a JPEG that every decoder reads alike."""
    return header.common and data.startswith(JPEG_SIGNATURE)
