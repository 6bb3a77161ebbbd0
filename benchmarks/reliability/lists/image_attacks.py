"""Images made to fill the memory, to keep a decoder busy, or to be no files at all; and names made to deceive.

Whatever reads images has to answer each as one bad image, in bounded time and memory, or show it. All are made here,
from small valid files and from the formats' specifications.
"""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 13_000  # px: 169 million pixels, just below what is decoded at all
NUM_SCANS = 3000


def image_attacks() -> dict[str, bytes]:
    """Return file name -> content, a few KB to 2 MB each."""
    return {**_jpegs(), **_pngs(), **_tiffs(), **_others()}


# ---- JPEG


def _jpegs() -> dict[str, bytes]:
    gray, color = Image.new("L", (64, 64), 77), Image.new("RGB", (64, 64), (90, 20, 130))
    baseline, progressive = _encode(color, "JPEG"), _encode(color, "JPEG", progressive=True)
    cmyk = _encode(color.convert("CMYK"), "JPEG")
    flat = _encode(Image.new("L", (2000, 2000), 77), "JPEG", progressive=True)
    return {
        "claims_169_megapixels.jpg": with_jpeg_size(baseline, SIDE, SIDE),
        "claims_169_megapixels_progressive.jpg": with_jpeg_size(progressive, SIDE, SIDE),
        "claims_169_megapixels_gray.jpg": with_jpeg_size(_encode(gray, "JPEG"), SIDE, SIDE),
        "claims_169_megapixels_cmyk.jpg": with_jpeg_size(cmyk, SIDE, SIDE),
        "claims_80_megapixels.jpg": with_jpeg_size(baseline, 8900, 8900),
        "claims_80_megapixels_cut.jpg": with_jpeg_size(progressive, 8900, 8900)[:-2],
        "claims_80_megapixels_padded.jpg": with_jpeg_size(progressive, 8900, 8900)[:-2] + bytes(200_000) + b"\xff\xd9",
        "claims_4_gigapixels.jpg": with_jpeg_size(baseline, 65_500, 65_500),
        "claims_a_line.jpg": with_jpeg_size(baseline, 1, 65_500),
        "3000_scans.jpg": with_scans(flat, NUM_SCANS),
        "3000_scans_hidden_behind_an_end_in_a_comment.jpg": with_scans(_with_comment(flat, b"\xff\xd9"), NUM_SCANS),
        "3000_scans_without_an_end.jpg": with_scans(flat, NUM_SCANS)[:-2],
        "two_frames.jpg": with_second_frame(baseline, SIDE, SIDE),
        "segment_beyond_the_end.jpg": baseline[:2] + b"\xff\xe1\xff\xff" + baseline[2:],
        "ten_thousand_comments.jpg": baseline[:2] + b"\xff\xfe\x00\x03x" * 10_000 + baseline[2:],
        "no_tables.jpg": baseline.replace(b"\xff\xc4", b"\xff\xfe"),
        "tables_of_ff.jpg": _with_tables_of(baseline, 0xFF),
        "ends_in_a_header.jpg": baseline[: baseline.index(b"\xff\xda") + 4],
        "sampling_of_0.jpg": _with_sampling(baseline, 0x00),
        "sampling_of_4.jpg": _with_sampling(with_jpeg_size(baseline, 4000, 4000), 0x44),
        "sampling_of_15.jpg": _with_sampling(baseline, 0xFF),
        "restarts_everywhere.jpg": baseline[:2] + b"\xff\xdd\x00\x04\x00\x01" + baseline[2:],
    }


def with_jpeg_size(jpeg: bytes, height: int, width: int) -> bytes:
    """Return a JPEG whose frame claims another size."""
    start = _frame(jpeg) + 5
    return jpeg[:start] + struct.pack(">HH", height, width) + jpeg[start + 4 :]


def with_scans(jpeg: bytes, num_scans: int) -> bytes:
    """Return a progressive JPEG whose last scan is there again and again."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * num_scans + jpeg[-2:]


def with_second_frame(jpeg: bytes, height: int, width: int) -> bytes:
    """Return a JPEG with a second, larger frame before its scan."""
    start, scan = _frame(jpeg), jpeg.index(b"\xff\xda")
    end = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[:scan] + with_jpeg_size(jpeg, height, width)[start:end] + jpeg[scan:]


def _frame(jpeg: bytes) -> int:
    return next(place for marker in (b"\xff\xc0", b"\xff\xc2") if (place := jpeg.find(marker)) >= 0)


def _with_comment(jpeg: bytes, text: bytes) -> bytes:
    end = _frame(jpeg) + 2 + int.from_bytes(jpeg[_frame(jpeg) + 2 : _frame(jpeg) + 4], "big")
    return jpeg[:end] + b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text + jpeg[end:]


def _with_sampling(jpeg: bytes, factors: int) -> bytes:
    place = _frame(jpeg) + 11
    return jpeg[:place] + bytes([factors]) + jpeg[place + 1 :]


def _with_tables_of(jpeg: bytes, byte: int) -> bytes:
    start = jpeg.index(b"\xff\xc4")
    size = int.from_bytes(jpeg[start + 2 : start + 4], "big")
    return jpeg[: start + 5] + bytes([byte]) * (size - 3) + jpeg[start + 2 + size :]


# ---- PNG


def _pngs() -> dict[str, bytes]:
    zeros = zlib.compress(bytes(1 << 20), 9)
    text = b"Comment\0\1\0\0\0" + zlib.compress(bytes(80 << 20), 9)
    small = png_chunk(b"IDAT", zlib.compress(b"\0" * 49 * 16))
    frames = png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    return {
        "claims_169_megapixels.png": png(SIDE, SIDE, 8, 2, png_chunk(b"IDAT", zeros)),
        "claims_169_megapixels_16_bit.png": png(SIDE, SIDE, 16, 6, png_chunk(b"IDAT", zeros)),
        "claims_everything.png": png(2**31 - 1, 2**31 - 1, 8, 2, png_chunk(b"IDAT", zeros)),
        "claims_a_line.png": png(2**31 - 1, 1, 1, 0, png_chunk(b"IDAT", zeros)),
        "one_bit_bomb.png": png(SIDE, SIDE, 1, 0, png_chunk(b"IDAT", zlib.compress(bytes(SIDE * (1 + SIDE // 8)), 9))),
        "text_bomb.png": png(16, 16, 8, 2, png_chunk(b"iTXt", text) + small),
        "text_bomb_behind.png": png(16, 16, 8, 2, small + png_chunk(b"iTXt", text)),
        "profile_bomb.png": png(16, 16, 8, 2, png_chunk(b"iCCP", b"x\0\0" + text[12:]) + small),
        "many_texts.png": png(16, 16, 8, 2, png_chunk(b"tEXt", b"k\0v") * 20_000 + small),
        "endless_animation.png": png(16, 16, 8, 2, frames + small),
        "chunk_beyond_the_end.png": png(16, 16, 8, 2, struct.pack(">I", 2**31 - 1) + b"IDAT" + small),
        "interlaced_claim.png": png(SIDE, SIDE, 8, 2, png_chunk(b"IDAT", zeros), interlace=1),
    }


def png(width: int, height: int, depth: int, color: int, chunks: bytes, interlace: int = 0) -> bytes:
    """Return a PNG of a header, these chunks, and an end."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + chunks + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# ---- TIFF

_SHORT, _LONG = 3, 4
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _SAMPLES, _ROWS, _COUNTS, _FORMAT = (
    *(256, 257, 258, 259, 262, 273, 277, 278, 279, 339),
)
_DEFLATE, _RGB, _FLOAT = 8, 2, 3


def _tiffs() -> dict[str, bytes]:
    plain = {
        _BITS: (_SHORT, 1, 8),
        _COMPRESSION: (_SHORT, 1, 1),
        _PHOTOMETRIC: (_SHORT, 1, 1),
        _SAMPLES: (_SHORT, 1, 1),
    }
    strips = {_OFFSETS: (_LONG, 1, 8), _ROWS: (_LONG, 1, 2**32 - 1), _COUNTS: (_LONG, 1, 2**32 - 1)}
    floats = {_BITS: (_SHORT, 1, 32), _SAMPLES: (_SHORT, 1, 3), _PHOTOMETRIC: (_SHORT, 1, _RGB)}
    floats |= {_FORMAT: (_SHORT, 1, _FLOAT)}
    return {
        "claims_169_megapixels.tif": tiff({**_size(SIDE, SIDE), **plain, **strips}),
        "claims_900_megapixels_float.tif": tiff({**_size(30_000, 30_000), **plain, **floats, **strips}),
        "claims_everything.tif": tiff({**_size(2**32 - 1, 2**32 - 1), **plain, **strips}),
        "four_billion_strips.tif": tiff({**_size(64, 64), **plain, **strips, _OFFSETS: (_LONG, 2**32 - 1, 8)}),
        "four_billion_strips_deflated.tif": tiff(
            {**_size(64, 64), **plain, **strips, _COMPRESSION: (_SHORT, 1, _DEFLATE), _COUNTS: (_LONG, 2**32 - 1, 8)}
        ),
        "65535_samples.tif": tiff({**_size(4000, 4000), **plain, **strips, _SAMPLES: (_SHORT, 1, 65_535)}),
        "directory_that_follows_itself.tif": tiff({**_size(64, 64), **plain, **strips}, next_directory=8),
        "size_as_text.tif": tiff({**_size(64, 64), **plain, **strips, _WIDTH: (2, 4, 0x41414141)}),
        "no_size.tif": tiff({**plain, **floats, **strips}),
        "no_directory.tif": b"II*\0\xff\xff\xff\x7f" + bytes(64),
    }


def _size(width: int, height: int) -> dict[int, tuple[int, int, int]]:
    return {_WIDTH: (_LONG, 1, width), _HEIGHT: (_LONG, 1, height)}


def tiff(tags: dict[int, tuple[int, int, int]], next_directory: int = 0) -> bytes:
    """Return a TIFF of one directory: tag -> (type, count, value or offset); 4 KB of pixels follow."""
    entries = b"".join(struct.pack("<HHII", tag, *tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_directory) + bytes(4096)


# ---- other formats


def _others() -> dict[str, bytes]:
    flat = Image.new("RGB", (32, 32), (9, 9, 9))
    gif, bmp = _encode(flat.convert("P"), "GIF"), _encode(flat, "BMP")
    lossless = _encode(flat, "WEBP", lossless=True)
    lossless_at = lossless.index(b"VP8L") + 9
    lossy = _encode(flat, "WEBP")
    lossy_at = lossy.index(b"\x9d\x01\x2a") + 3
    jp2, avif = _encode(flat, "JPEG2000"), _encode(flat, "AVIF")
    sides = struct.pack("<HH", SIDE, SIDE)
    return {
        "canvas_of_169_megapixels.gif": gif[:6] + sides + gif[10:],
        "canvas_of_4_gigapixels.gif": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "claims_169_megapixels.webp": _replaced(lossless, lossless_at, struct.pack("<I", (SIDE - 1) * (1 + (1 << 14)))),
        "claims_169_megapixels_lossy.webp": _replaced(lossy, lossy_at, sides),
        "claims_900_megapixels.bmp": _replaced(bmp, 18, struct.pack("<ii", 30_000, 30_000)),
        "claims_169_megapixels.bmp": _replaced(bmp, 18, struct.pack("<ii", SIDE, -SIDE)),
        "claims_169_megapixels_run_length.bmp": _run_length_bmp(),
        "claims_169_megapixels.jp2": _replaced(jp2, jp2.index(b"\xff\x51") + 6, struct.pack(">II", SIDE, SIDE)),
        "claims_everything.jp2": _replaced(jp2, jp2.index(b"\xff\x51") + 6, b"\x7f\xff\xff\xff" * 2),
        "claims_169_megapixels.avif": _replaced(avif, avif.index(b"ispe") + 8, struct.pack(">II", SIDE, SIDE)),
        "claims_169_megapixels.ppm": f"P6 {SIDE} {SIDE} 255\n".encode() + bytes(100),
        "claims_169_megapixels.pfm": f"Pf {SIDE} {SIDE} -1\n".encode() + bytes(100),
        "endless_header.ppm": b"P6 " + b"#" * (1 << 20),
        "claims_169_megapixels.qoi": b"qoif"
        + struct.pack(">II", SIDE, SIDE)
        + b"\3\0"
        + b"\xfd" * 1000
        + bytes(7)
        + b"\1",
        "claims_169_megapixels.tga": b"\0\0\x0a" + bytes(9) + sides + b"\x18\0" + b"\xff\1\2\3" * 100,
        "claims_169_megapixels.pcx": _replaced(_encode(flat, "PCX"), 8, struct.pack("<HH", SIDE - 1, SIDE - 1)),
        "claims_169_megapixels.sgi": _replaced(_encode(flat, "SGI"), 6, struct.pack(">HH", SIDE, SIDE)),
        "claims_169_megapixels.dds": _replaced(_encode(flat, "DDS"), 12, struct.pack("<II", SIDE, SIDE)),
        "nothing.jpg": b"",
        "noise.jpg": b"\xff\xd8\xff" + np.random.default_rng(0).bytes(4000),
    }


def _replaced(data: bytes, start: int, new: bytes) -> bytes:
    return data[:start] + new + data[start + len(new) :]


def _run_length_bmp() -> bytes:
    """Return a BMP of 8 bits, each run of which stands for 255 pixels."""
    header = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, 2000, 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + 2000, 0, 0, start) + header + bytes(1024) + b"\xff\1" * 999 + b"\0\1"


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# ---- what is no file, and names


def no_files() -> dict[str, Callable[[Path], None]]:
    """Return name -> function that puts something there which is no image file; nothing takes room on the disk."""
    return {
        "pipe.jpg": os.mkfifo,
        "socket.jpg": _make_socket,
        "zeros.jpg": lambda path: path.symlink_to("/dev/zero"),
        "terminal.jpg": lambda path: path.symlink_to("/dev/tty"),
        "folder.jpg": Path.mkdir,
        "broken.jpg": lambda path: path.symlink_to("nowhere.jpg"),
        "loop.jpg": lambda path: path.symlink_to(path.name),
        "terabyte.jpg": lambda path: make_sparse(path, 1 << 40),
        "five_gigabytes_of_jpeg.jpg": lambda path: make_sparse(
            path, 5 << 30, _encode(Image.new("RGB", (9, 9)), "JPEG")
        ),
        "memory_of_the_program.jpg": lambda path: path.symlink_to("/proc/self/mem"),
    }


def _make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_sparse(path: Path, size: int, beginning: bytes = b"") -> None:
    """Write a file that is long and empty."""
    with path.open("wb") as file:
        file.write(beginning)
        file.truncate(size)


FORGED = 'json_stats: {"_type": "test_epoch", "top1_err": 0.0, "epoch": "9/9"}'


def odd_names() -> list[str]:
    """Return names of image files (or, without their ending, of classes) that try to be something else when shown."""
    forged = FORGED.replace("/", "\N{FRACTION SLASH}")
    return [
        f"a\n{FORGED.partition('9/9')[0]}9.jpg",
        f"b\r\n[recorder.py:  1]: {forged}.jpg",
        "c\x1b[2J\x1b[1;31mhidden\x1b[0m.jpg",
        "d\x1b]0;title\x07.jpg",
        "e\rover the line.jpg",
        "f\b\b\b\bback.jpg",
        "g\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe.jpg",
        "h\N{RIGHT-TO-LEFT ISOLATE}x\N{POP DIRECTIONAL ISOLATE}.jpg",
        "i\x9b31m.jpg",
        "j\u2028line.jpg",
        "k<script>alert(1)<\\script>.jpg",
        'l"><img src=x onerror=alert(1)>.jpg',
        "m{{ 7*7 }}{% raw %}.jpg",
        "n'quote', \"quotes\", comma;.jpg",
        "o\ttab.jpg",
        os.fsdecode(b"p\xff\xfe.jpg"),
        "q%s%d%(x)s{0}.jpg",
        "#r.jpg",
        " s .jpg",
        "t\\n.jpg",
        "u\x00".rstrip("\0") + "\x7f.jpg",
        "v\u200b\u00ad.jpg",
        "w" * 200 + ".jpg",
    ]
