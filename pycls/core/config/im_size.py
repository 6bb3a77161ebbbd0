"""Sizes of images: a whole number is the side of a square, two are height and width."""

from collections.abc import Sequence

ImSize = int | Sequence[int]  # TRAIN.IM_SIZE and TEST.IM_SIZE, px


def sides(im_size: ImSize) -> tuple[int, int]:
    """Return height and width."""
    if isinstance(im_size, int):
        return im_size, im_size
    height, width = im_size
    return height, width


def is_square(im_size: ImSize) -> bool:
    """Tell whether height and width are equal."""
    height, width = sides(im_size)
    return height == width


def size_text(im_size: ImSize) -> str:
    """Return a size for people, "224" or "160 x 320" (height x width)."""
    height, width = sides(im_size)
    return str(height) if height == width else f"{height} x {width}"
