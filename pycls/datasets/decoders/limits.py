"""Refuse images that would fill the memory, or keep a decoder busy for minutes, by what their first bytes claim.

Every backend, check_data, packing and predictions read the header of a file first, which asks here: so nothing has been
allocated yet, and a trap is one bad image like any other.
"""

import re
from typing import Any

# Pillow's own limit, above which it calls an image a decompression bomb: 0.5 GiB as RGB of 8 bits.
MAX_PIXELS = 178_956_970
# Encoders write about ten scans, and libtiff and the fuzzers of libjpeg-turbo stop at 100 and 500. Each costs a pass
# over all blocks of an image, even where it holds nothing: 3,000 in a file of 40 KB take minutes.
MAX_SCANS = 100
MOST_SEGMENTS = 100_000  # of a JPEG: a color profile and XMP take some hundred
# Images up to here (64 MB decoded) may claim what they want: cut files, which decoders show in part, are among them.
_FEW_PIXELS = 1 << 24
_FEW_BYTES = 1 << 16
# The most pixels in a byte. Huffman coding spends a bit or more on a block of 8 x 8. Deflate packs 1032 bytes into
# one; so the others may have as many, of one bit.
_JPEG_PIXELS, _OTHER_PIXELS = 8 * 64, 8 * 1032
# A marker of JPEG; 0xFF in pixels is followed by 0, and RST0-7 and fill bytes end nothing.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_PROGRESSIVE, _START_OF_SCAN, _END = 0xC2, 0xDA, 0xD9


class TooLarge(ValueError):
    """An image that claims more pixels than are decoded, or than its file can hold."""


def check_pixels(height: int, width: int, num_bytes: int, is_huffman_jpeg: bool = False) -> None:
    """Raise TooLarge, a ValueError, for an image with more pixels than are decoded, or than so many bytes can hold."""
    num_pixels = height * width
    claim = f"it claims {width:,} x {height:,} pixels"
    if num_pixels > MAX_PIXELS:
        raise TooLarge(f"{claim}, more than the {MAX_PIXELS:,} that are decoded: make it smaller, or cut it")
    densest = _JPEG_PIXELS if is_huffman_jpeg else _OTHER_PIXELS
    if num_pixels > _FEW_PIXELS and num_pixels > densest * num_bytes:
        raise TooLarge(f"{claim}, which a file of {num_bytes:,} bytes cannot hold: it is damaged, or a trap")


def check_packed(num_packed: int, height: int, width: int, bits: int) -> None:
    """Raise TooLarge for a PNG that packs more than its pixels, of so many bits: libpng unpacks all, in minutes."""
    num_bytes = height * (width * bits // 8 + 2)
    if num_packed > 2 * num_bytes + _FEW_BYTES:
        raise TooLarge(f"it has {num_packed:,} bytes for {width:,} x {height:,} pixels: it is damaged, or a trap")


def check_tile(height: Any, width: Any, num_pixels: int) -> None:
    """Raise TooLarge for a tile, None: of none, that is larger than the image it is of: it is decoded whole."""
    if isinstance(height, int) and isinstance(width, int) and height * width > max(_FEW_PIXELS, 2 * num_pixels):
        raise TooLarge(f"a tile claims {width:,} x {height:,} pixels, of {num_pixels:,}: it is damaged, or a trap")


def check_scans(data: bytes, start: int) -> None:
    """Raise ValueError for a JPEG of too many scans; `start` is where the marker of its frame lies.

    Most have one and are done with that: of other files than progressive ones decoders read no more if all components
    are in the first. Searching all bytes for others would take a tenth of the time to decode them.
    """
    if data[start + 1] != _PROGRESSIVE and _has_all_in_first_scan(data, start):
        return
    if data.count(b"\xff\xda", start) <= MAX_SCANS:  # those in a film behind the image count, too
        return
    num_scans, position = 0, start
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None or found[1][0] == _END:
            return
        marker, position = found[1][0], found.end()
        if marker == _START_OF_SCAN and (num_scans := num_scans + 1) > MAX_SCANS:
            raise ValueError(f"the JPEG has more than {MAX_SCANS} scans: it is damaged, or a trap")
        position += max(2, int.from_bytes(data[position : position + 2], "big"))
    raise ValueError(f"the JPEG has more than {MOST_SEGMENTS:,} segments: it is damaged, or a trap")


def _has_all_in_first_scan(data: bytes, start: int) -> bool:
    """Tell whether the first scan says that it has all components of the frame; False where that is not plain."""
    position, last = start, len(data) - 5
    for _ in range(MOST_SEGMENTS):
        if position >= last or data[position] != 0xFF:
            break
        if data[position + 1] == _START_OF_SCAN:
            return data[position + 4] == data[start + 9]
        position += 2 + (data[position + 2] << 8) + data[position + 3]
    return False
