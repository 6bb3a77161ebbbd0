"""Decode what the usual contract, 8 bits of RGB, leaves out: alpha, bands of TIFF files, all bits of samples."""

import numpy as np
from PIL import Image, TiffImagePlugin

from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.deep import is_deep, read_deep, read_unknown
from pycls.datasets.decoders.depth import to_eight_bit, to_unit_floats

_RGB_CHANNELS, _RGBA_CHANNELS = 3, 4
_SAMPLES_PER_PIXEL = 277  # tag of TIFF


def decode_pixels(data: bytes, num_channels: int, full: bool = False) -> np.ndarray:
    """Decode a file to (H, W, num_channels); ValueError for one that has not that many.

    They are uint8, or with `full` float32 from 0 to 1, of all the bits in the file. Three are RGB, of the first page as
    ever. Otherwise a TIFF file of as many gray pages has them as its channels, or else four are RGB and alpha, which is
    white where an image has none.
    """
    samples = _read(data, num_channels, full)
    # Before alpha is added: its white would tell what the white of the others is.
    return _with_channels(to_unit_floats(samples) if full else to_eight_bit(samples), num_channels)


def has_more_than_rgb(data: bytes) -> bool:
    """Tell whether `decode_pixels` may find more in a file than 8 bits of RGB: alpha, pages, further bits."""
    image = pillow.open_image(data)
    if image is None:
        return True  # floats
    with pillow.one_error(), image:
        if image.format == "TIFF" and (getattr(image, "n_frames", 1) > 1 or _has_a_fourth(image)):
            return True
        return _has_alpha(image) or pillow.is_gray_deep(image) or is_deep(image, data)


def _read(data: bytes, num_channels: int, full: bool) -> np.ndarray:
    """Return the samples as they are in the file: of num_channels pages, or of gray, RGB or RGBA."""
    image = pillow.open_image(data)
    if image is None:
        return read_unknown(data)
    with pillow.one_error(), image:
        num_pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        has_colors = num_channels in (_RGB_CHANNELS, _RGBA_CHANNELS)
        if num_pages == num_channels and not (has_colors and _shows_colors(image, num_channels)):
            return _pages(image, num_pages)
        if not has_colors:
            raise ValueError(
                f"expected a TIFF file of {num_channels} gray pages (DATA_LOADER.CHANNELS), it is {image.format} "
                f"{image.mode} of {num_pages}"
            )
        return _colors(image, data, num_channels, full)


def _shows_colors(image: Image.Image, num_channels: int) -> bool:
    """Tell whether it is the first of several pages that is shown: always as RGB, or if it has colors itself."""
    return num_channels == _RGB_CHANNELS or not _is_gray(image)


def _is_gray(image: Image.Image) -> bool:
    return image.mode in ("1", "L") or pillow.is_gray_deep(image)


def _pages(image: Image.Image, count: int) -> np.ndarray:
    """Return the pages of a file of several, all gray, of one size and depth, as channels (H, W, count)."""
    pages = []
    for number in range(count):
        image.seek(number)
        if not _is_gray(image):  # the numbers of a palette would look like gray levels
            raise ValueError(f"its {count} pages are not gray images of one size, page {number + 1} is {image.mode}")
        pages.append(pillow.deep_samples(image) if pillow.is_gray_deep(image) else np.array(image.convert("L")))
    if len({page.shape for page in pages}) > 1:
        raise ValueError(f"its {count} pages are not gray images of one size")
    if len({page.dtype for page in pages}) > 1:
        raise ValueError(f"its {count} pages are not of one depth: {', '.join(str(page.dtype) for page in pages)}")
    return np.stack(pages, axis=2)


def _colors(image: Image.Image, data: bytes, num_channels: int, full: bool) -> np.ndarray:
    """Return the samples (H, W, 1, 3 or 4) of gray, RGB or RGBA."""
    if full and is_deep(image, data):
        return read_deep(image, data)
    if pillow.is_gray_deep(image):
        return pillow.deep_samples(image)[..., None]
    if _has_alpha(image):
        return np.array(image.convert("RGBA"))
    if num_channels == _RGBA_CHANNELS and _has_a_fourth(image):
        return read_deep(image, data)  # Pillow would drop it
    return np.array(image.convert("RGB"))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _has_a_fourth(image: Image.Image) -> bool:
    """Tell whether there is a channel beside RGB that is not said to be alpha."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or image.mode != "RGB":
        return False
    return image.tag_v2.get(_SAMPLES_PER_PIXEL, 1) > _RGB_CHANNELS


def _with_channels(samples: np.ndarray, num_channels: int) -> np.ndarray:
    """Return RGB, or RGBA, of gray levels (H, W, 1, 3 or 4): gray is repeated, alpha left out or white.

    Those that are as many as asked for stay what they are.
    """
    there = samples.shape[2]
    if there == num_channels:
        return np.ascontiguousarray(samples)
    if num_channels not in (_RGB_CHANNELS, _RGBA_CHANNELS):
        raise ValueError(f"expected {num_channels} channels (DATA_LOADER.CHANNELS), it has {there}")
    rgb = samples.repeat(_RGB_CHANNELS, axis=2) if there == 1 else samples[..., :_RGB_CHANNELS]
    if num_channels == _RGB_CHANNELS:
        return np.ascontiguousarray(rgb)
    white = 255 if samples.dtype == np.uint8 else 1
    alpha = samples[..., 3:] if there == _RGBA_CHANNELS else np.full((*rgb.shape[:2], 1), white, rgb.dtype)
    return np.concatenate([rgb, alpha], axis=2)
