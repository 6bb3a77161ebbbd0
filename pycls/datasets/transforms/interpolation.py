"""The filters that images are resized with, by the names of TRAIN.INTERPOLATION and TEST.INTERPOLATION."""

from enum import IntEnum


class Filter(IntEnum):
    """What one output pixel sees of the source; csrc/decode/axis.h has the same numbers."""

    PLAIN = 0  # two pixels an axis, however much an image is shrunk: pycls's, DATA_LOADER.ANTIALIAS False
    BILINEAR = 1  # a triangle as wide as two output pixels: Pillow's, torchvision's default
    BICUBIC = 2  # Keys's cubic convolution, a = -1/2, as wide as four output pixels: Pillow's, timm's default
