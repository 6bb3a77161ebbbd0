"""Read the size of an encoded image from its first bytes, without decoding it.

The sizes are needed to draw crop boxes before anything is decoded. The same pass tells whether every decoder
(OpenCV, torchvision, DALI, nvJPEG) gives the same RGB pixels for the file; all others go to Pillow (pillow.py).
"""

import re
import struct
from typing import NamedTuple

from PIL import TiffImagePlugin

from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.deep import unknown_size
from pycls.datasets.decoders.limits import MOST_SEGMENTS, TooLarge, check_packed, check_pixels, check_scans, check_tile
from pycls.datasets.decoders.orientation import UPRIGHT, read_orientation, swaps_sides
from pycls.datasets.decoders.png_chunks import PNG_SIGNATURE, measure

JPEG_SIGNATURE = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# A marker with a length. Others have none: TEM, RST0-7, SOI, EOI, and 0xFF fill bytes.
_MARKER = re.compile(rb"\xff[^\x01\xff\xd0-\xd9]")
# SOF0-SOF15 give the size; C4 (Huffman tables), C8 (reserved) and CC (arithmetic tables) lie between them.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, all Huffman coded: what every decoder knows. Lossless and arithmetic are left out.
_COMMON_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a color type
_TILE_WIDTH, _TILE_HEIGHT = 322, 323  # tags of TIFF


class Header(NamedTuple):
    """Size in pixels as shown, whether all decoders agree on the RGB pixels, and how these are to be turned."""

    height: int
    width: int
    common: bool
    orientation: int = UPRIGHT  # of EXIF, where it is heeded


def read_header(data: bytes, exif_rotate: bool = False) -> Header:
    """Return the header of one encoded image; ValueError when it is not an image, or one beyond the limits.

    EXIF orientation is ignored unless `exif_rotate`: the size is then that of the image turned upright.
    """
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    header = _header_of(data)
    if header.height < 1 or header.width < 1:
        raise ValueError(f"the image has no pixels ({header.width} x {header.height})")
    return _turned(header, read_orientation(data)) if exif_rotate else header


def _turned(header: Header, orientation: int) -> Header:
    height, width = header.height, header.width
    sides = (width, height) if swaps_sides(orientation) else (height, width)
    return Header(*sides, header.common, orientation)


def _header_of(data: bytes) -> Header:
    if data.startswith(JPEG_SIGNATURE):
        return _jpeg_header(data)
    if data.startswith(PNG_SIGNATURE):
        return _png_header(data)
    return _pillow_header(data)


def _jpeg_header(data: bytes) -> Header:
    position, adobe_transform = 2, -1
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, position)  # passes over megabytes of fill bytes at once
        if found is None or (position := found.start()) + 10 > len(data):
            raise ValueError("the JPEG ends before its size is given (truncated file?)")
        marker = data[position + 1]
        if marker in _FRAME_MARKERS:
            return _jpeg_frame(data, position, adobe_transform)
        if marker == 0xEE and data[position + 4 : position + 9] == b"Adobe":
            adobe_transform = data[position + 15] if position + 15 < len(data) else -1
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise ValueError(f"the JPEG has {MOST_SEGMENTS:,} segments before its size: it is damaged, or a trap")


def _jpeg_frame(data: bytes, position: int, adobe_transform: int) -> Header:
    precision, height, width, num_channels = struct.unpack_from(">BHHB", data, position + 4)
    color_known = num_channels == 1 or (num_channels == 3 and adobe_transform != 0)  # not CMYK, YCCK, plain RGB
    # Decoders differ on files cut short (gray rows, None, an error), so those without an end mark go to Pillow, which
    # decides. The search starts here because an EXIF thumbnail further up has an end mark of its own.
    complete = data.rfind(_JPEG_END, position) >= 0
    common = data[position + 1] in _COMMON_FRAMES and precision == 8 and height > 0 and color_known and complete
    check_pixels(height, width, len(data), is_huffman_jpeg=data[position + 1] in _COMMON_FRAMES)
    check_scans(data, position)
    return Header(height, width, common)


def _png_header(data: bytes) -> Header:
    if len(data) < 33:
        raise ValueError("the PNG ends before its size is given (truncated file?)")
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    opaque = data.find(b"tRNS", 33, max(33, data.find(b"IDAT"))) < 0
    complete, num_packed = measure(data)
    common = depth == 8 and color in (0, 2) and opaque and complete  # 0: gray, 2: RGB
    check_pixels(height, width, len(data))
    check_packed(num_packed, height, width, depth * _PNG_CHANNELS.get(color, 4))
    return Header(height, width, common)


def _pillow_header(data: bytes) -> Header:
    try:
        image = pillow.open_image(data)
        if image is None:
            height, width = unknown_size(data)
        else:
            with image:
                width, height = image.size
                tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
                check_tile(tags.get(_TILE_HEIGHT), tags.get(_TILE_WIDTH), height * width)
    except TooLarge:
        raise
    except ValueError as error:
        raise ValueError(f"not an image that can be read (first bytes {data[:8]!r})") from error
    check_pixels(height, width, len(data))
    return Header(height, width, False)
