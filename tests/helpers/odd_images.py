"""Golden odd images: what turns up in real data sets, small, with the verdict that every backend must give."""

import base64
import struct
import zlib

import numpy as np
from PIL import Image

from tests.helpers.photographs import encode, load

# A photograph of 48 x 32 px, arithmetic coded by libjpeg-turbo's `jpegtran -arithmetic`.
ARITHMETIC = base64.b85decode(
    b"|JeWF01!$>Nk#wx0RR9200961|JwjV01XKW3knDg3knMk4h;_zAQcl55)&sJ9v2`kDKRiEDJ?8BI!Zn>HbyrrEkIX6ModmpQ&KWMT47p"
    b"HU`kO^PygEhLjevB4iga*CKVMXPc<zyPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPft%zPf!2J01*fPAOJ"
    b"7}0U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0H4=F=}553(;9<YfuS8RHn7TW5`A*6tqzGm!Urj$UKOD7T*HpFl+z=+!4"
    b">>fbCf~|*I!bQtH00d1uQ0LA8H#oYq@;KJh_hiA@n=BI$x23Sy~ogAh-m5VRg9Pkq}Zxww3n0S15b(P1eNcv1eRK%=+Si#y*0<mI5LBV"
    b">+>o#lKmM%Rjjs<lTWSZ0AOAPMSA#vd(GSU{Jj*0~SgYSrn#AZem-}9W$AQ+6Xg`H>GkYXdVZG72bVC^1ufGa`G;Gh?M0*D>7D}`2i1g"
    b"x#@UWsY>=QZ$n;*%j?<`SHpAP%N_A>Q+<*kS_WL#y7>nfzxOwaDIC!^8{G7B1(0Ro)JN2;EB6Ky_*Z&?_}jD*xQiydZKqT$ugnp<WGf1"
    b"sT<7Z)L<=|1O(Y*eaDO6p%-mzVj49gVGu3LoF?w`2x|AJmOwL#(ObK&$O63^o2~W2%uz2CFb?d?!VqBLN%vI(48r<Yf%u%l^p&hAwF}K"
    b"uQxg^^1fs_aKspNj+;mUb1JQlMDx_<2~3odz)!2j6"
)


def readable() -> dict[str, bytes]:
    """Return images that all backends show, alike."""
    photo = load("coffee.png", (120, 90))
    jpeg = encode(photo, quality=90)
    frames = [photo.quantize(32), photo.rotate(90).quantize(32)]
    return {
        "arithmetic.JPEG": ARITHMETIC,
        "cmyk.JPEG": encode(photo.convert("CMYK")),
        "ycck.JPEG": _as_ycck(encode(photo.convert("CMYK"))),
        "progressive_gray.JPEG": encode(photo.convert("L"), progressive=True),
        "one_pixel.JPEG": encode(photo.resize((1, 1))),
        "wide_20000x10.JPEG": encode(photo.resize((20000, 10))),
        "tall_10x20000.png": encode(photo.resize((10, 20000)), "PNG"),
        "animated.gif.JPEG": encode(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "alpha_gray.png": encode(photo.convert("LA"), "PNG"),
        "rgb_16_bit.png": png_rgb16(np.asarray(photo).astype(np.uint16) * 257),
        "float.tif": _tiff(np.asarray(photo.convert("L"), np.float32) / 255),
        "one_bit.png": encode(photo.convert("1"), "PNG"),
        "rubbish_at_end.JPEG": jpeg + b"rubbish" * 99,
    }


def unreadable() -> dict[str, bytes]:
    """Return files that no backend shows."""
    photo = load("coffee.png", (120, 90))
    jpeg, png = encode(photo, quality=90), encode(photo, "PNG")
    progressive = encode(photo, quality=90, progressive=True)
    return {
        "empty.JPEG": b"",
        "text.JPEG": b"<html>404 Not Found</html>\n",
        "cut.JPEG": jpeg[: len(jpeg) // 2],
        "cut_progressive.JPEG": progressive[: len(progressive) // 3],
        "cut.png": png[: len(png) // 2],
        "cut_arithmetic.JPEG": ARITHMETIC[:500],
        "no_tables.JPEG": jpeg.replace(b"\xff\xdb", b"\xff\xfe"),
        "no_height.JPEG": _with_height(jpeg, 0),
        "bomb.png": _png_chunked(60000, 60000, 8, 2, b"\0" * 99),
        "float_255.tif": _tiff(np.asarray(photo.convert("L"), np.float32)),
        "float_nan.tif": _tiff(np.full((32, 32), np.nan, np.float32)),
        "int32_255.tif": _tiff(np.asarray(photo.convert("L"), np.int32)),
        "damaged.png": png[:300] + bytes(byte ^ 0x5A for byte in png[300:400]) + png[400:],
    }


def damaged() -> dict[str, bytes]:
    """Return JPEGs whose second half is missing or wrong: decoders fill it in and say nothing. All show the same."""
    jpeg = encode(load("coffee.png", (120, 90)), quality=90)
    middle = len(jpeg) // 2
    return {
        "half.JPEG": jpeg[:middle] + b"\xff\xd9",
        "zeroed.JPEG": jpeg[:middle] + bytes(300) + jpeg[middle + 300 :],
        "flipped.JPEG": jpeg[:middle] + bytes([jpeg[middle] ^ 0x55]) + jpeg[middle + 1 :],
    }


def _tiff(pixels: np.ndarray) -> bytes:
    return encode(Image.fromarray(pixels), "TIFF")


def _as_ycck(cmyk: bytes) -> bytes:
    """Mark a CMYK JPEG as YCCK: its first three channels then mean luma and chroma."""
    where = cmyk.index(b"Adobe") + 11
    assert cmyk[where] == 0
    return cmyk[:where] + b"\2" + cmyk[where + 1 :]


def _with_height(jpeg: bytes, height: int) -> bytes:
    where = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:where] + struct.pack(">H", height) + jpeg[where + 2 :]


def png_rgb16(pixels: np.ndarray) -> bytes:
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in pixels)
    return _png_chunked(width, height, 16, 2, lines)


def _png_chunked(width: int, height: int, depth: int, color: int, lines: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
