"""PNGs without what their pixels do not need.

libpng prints a warning for much of it, on every reading of a file; and of an animation some decoders show another
picture than a plain reader does.
"""

from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks that decoders unpack though no pixel needs them, and words by which those begin that hold EXIF or XMP.
_NOTES = (b"iTXt", b"zTXt", b"tEXt", b"iCCP")
_KEPT = (b"Raw profile", b"XML:com.adobe.xmp")
_HEADER_END = 33  # signature and IHDR
_AROUND = 12  # length, name and checksum of a chunk


def without_notes(data: bytes) -> bytes:
    """Return a gray or RGB PNG without color profiles, texts and so on before its pixels; other files as they are."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    start = _HEADER_END
    while data[start + 4 : start + 8] != b"IDAT":
        if start + _AROUND > len(data):
            return data  # damaged: the decoder says so
        start += _AROUND + int.from_bytes(data[start : start + 4], "big")
    return data if start == _HEADER_END else data[:_HEADER_END] + data[start:]


def measure(data: bytes) -> tuple[bool, int]:
    """Return whether the chunks of a PNG follow one another to its end, and how many bytes its pixels are packed into.

    libpng makes room for what a chunk claims to be.
    """
    kind, num_packed = b"", 0
    for kind, start, end in _chunks(data):
        num_packed += (end - start - _AROUND) * (kind == b"IDAT")
    return kind == b"IEND", num_packed


def without_texts(data: bytes) -> bytes:
    """Return a PNG without texts and color profiles, which Pillow unpacks, and refuses if they are bombs; else `data`.

    What may tell the orientation stays.
    """
    if not data.startswith(PNG_SIGNATURE):
        return data
    chunks = list(_chunks(data))
    kept = [data[a:b] for kind, a, b in chunks if kind not in _NOTES or data.startswith(_KEPT, a + 8)]
    if len(kept) == len(chunks):
        return data
    return PNG_SIGNATURE + b"".join(kept) + data[chunks[-1][2] :]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the chunks of a PNG that are whole, up to its end."""
    start = len(PNG_SIGNATURE)
    while start + _AROUND <= len(data):
        end = start + _AROUND + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        if data[start + 4 : start + 8] == b"IEND":
            return
        start = end
