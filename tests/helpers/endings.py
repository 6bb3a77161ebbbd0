"""A photograph in a file of every ending that counts as an image."""

import cv2
import numpy as np
from PIL import Image

from pycls.datasets.readers.endings import FORMATS
from tests.helpers.photographs import encode, load


def every_ending() -> dict[str, bytes]:
    """Return file name -> encoded photograph, one for each ending of the table, in upper case every other."""
    photo = load("coffee.png", (61, 43))
    files = {}
    for number, (ending, kind) in enumerate(FORMATS.items()):
        files[f"{number:02d}{ending.upper() if number % 2 else ending}"] = _encode(photo, kind)
    return files


def oddities() -> dict[str, bytes]:
    """Return files of which decoders might show something else: further pictures, transparency, few or many bits."""
    photo = load("coffee.png", (61, 43))
    others = [photo.rotate(180), photo.rotate(90)]
    palette = photo.quantize(32)
    alpha = photo.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(photo.size))
    gray16 = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    return {
        "animated.gif": encode(photo, "GIF", save_all=True, append_images=others),
        "transparent.gif": encode(palette, "GIF", transparency=3),
        "animated.webp": encode(photo, "WEBP", save_all=True, append_images=others, lossless=True),
        "animated.avif": encode(photo, "AVIF", save_all=True, append_images=others),
        "animated.png": encode(photo, "PNG", save_all=True, append_images=others),
        "cover_and_animation.png": encode(photo, "PNG", save_all=True, append_images=others, default_image=True),
        "transparent_palette.png": encode(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "bad_profile.png": encode(photo, "PNG", icc_profile=b"no profile" * 99),
        "pages.tiff": encode(photo, "TIFF", save_all=True, append_images=others),
        "lzw.tif": encode(photo, "TIFF", compression="tiff_lzw"),
        "alpha.tif": encode(alpha, "TIFF"),
        "cmyk.tif": encode(photo.convert("CMYK"), "TIFF"),
        "gray16.tif": encode(gray16, "TIFF"),
        "one_bit.tif": encode(photo.convert("1"), "TIFF", compression="group4"),
        "alpha.tga": encode(alpha, "TGA", compression="tga_rle"),
        "gray.jp2": encode(photo.convert("L"), "JPEG2000"),
        "alpha.jp2": encode(alpha, "JPEG2000"),
        "gray16.pgm": encode(gray16, "PPM"),
        "bits.pbm": encode(photo.convert("1"), "PPM"),
    }


def _encode(photo: Image.Image, kind: str) -> bytes:
    if kind == "SUN":  # Pillow only reads it
        return cv2.imencode(".ras", np.asarray(photo)[:, :, ::-1].copy())[1].tobytes()
    return encode(photo, kind)
