"""Write one real photograph in every kind of file that turns up in image folders: the fixture of the backend tests."""

import io
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from pycls.datasets.readers.samples import FileSamples, pack_names


def load(name: str, size: tuple[int, int] | None = None) -> Image.Image:
    """Open a photograph of scikit-image's wheel as RGB, resized to (width, height) when asked."""
    image = Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB")
    return image if size is None else image.resize(size, Image.Resampling.LANCZOS)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Encode an image in memory."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def kinds() -> dict[str, bytes]:
    """Return file name -> encoded photograph, in the order of the samples."""
    coffee, astronaut, chelsea = load("coffee.png", (500, 375)), load("astronaut.png"), load("chelsea.png")
    return {
        "jpeg_420.JPEG": encode(coffee, quality=90, subsampling=2),
        "jpeg_422.JPEG": encode(load("rocket.jpg", (500, 334)), quality=90, subsampling=1),
        "jpeg_444.JPEG": encode(astronaut, quality=92, subsampling=0),
        "jpeg_gray.JPEG": encode(load("camera.png").convert("L"), quality=90),
        "jpeg_progressive.JPEG": encode(chelsea, quality=88, progressive=True),
        "jpeg_odd_333x501.JPEG": encode(load("motorcycle_left.png", (333, 501)), quality=90, subsampling=2),
        "jpeg_odd_501x333.jpg": encode(load("ihc.png", (501, 333)), quality=85, subsampling=2, optimize=True),
        "jpeg_restarts.JPEG": encode(coffee, quality=90, subsampling=2, restart_marker_rows=2),
        "jpeg_exif_rotated.JPEG": encode(chelsea, quality=90, exif=_turned()),
        "jpeg_rgb.JPEG": encode(astronaut, quality=90, keep_rgb=True),
        "jpeg_cmyk.JPEG": encode(coffee.convert("CMYK"), quality=90),
        "jpeg_big_downscale.JPEG": encode(load("retina.jpg", (1999, 1400)), quality=80),
        "jpeg_tiny_40x30.JPEG": encode(load("astronaut.png", (40, 30)), quality=95),
        "jpeg_wide_600x60.JPEG": encode(load("coffee.png", (600, 60)), quality=90),
        "jpeg_line_3x200.JPEG": encode(load("coffee.png", (3, 200)), quality=90),
        "png_one_pixel.png": encode(load("coffee.png", (1, 1)), "PNG"),
        "png_named.JPEG": encode(coffee, "PNG"),
        "png_gray.png": encode(load("camera.png", (300, 280)).convert("L"), "PNG"),
        "png_alpha.png": encode(_with_alpha(chelsea), "PNG"),
        "png_palette.png": encode(coffee.quantize(64), "PNG"),
        "png_gray16.png": encode(_sixteen_bit(load("camera.png", (320, 320))), "PNG"),
        "gif_named.JPEG": encode(coffee.quantize(128), "GIF"),
        "bmp.bmp": encode(chelsea, "BMP"),
    }


def write_photographs(folder: Path) -> FileSamples:
    """Write all kinds into `folder` and return them as samples."""
    return write_files(folder, kinds())


def write_files(folder: Path, files: dict[str, bytes]) -> FileSamples:
    """Write files and return them as samples of one class, in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return FileSamples(str(folder), pack_names(list(files)), np.zeros(len(files), np.int64), ("photo",))


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be shown turned by 90 degrees
    return exif


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def _sixteen_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
