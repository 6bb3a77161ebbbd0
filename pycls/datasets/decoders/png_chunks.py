"""PNGs without what their pixels do not need.

libpng prints a warning for much of it, on every reading of a file; and of an animation some decoders show another
picture than a plain reader does.
"""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
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
