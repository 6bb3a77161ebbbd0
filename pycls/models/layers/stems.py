"""Stems: the layers between the image and the first stage."""

from dataclasses import dataclass

from torch import nn

from pycls.models.layers.basic import Style, conv2d, named_sequential


@dataclass(frozen=True)
class Stem:
    """One convolution + BatchNorm + activation, with a 3x3/2 max pool behind it or not."""

    kernel: int
    conv_stride: int
    max_pool: bool

    @property
    def stride(self) -> int:
        """Factor by which the stem divides the image side."""
        return self.conv_stride * (2 if self.max_pool else 1)


STEMS = {
    "res_stem_cifar": Stem(kernel=3, conv_stride=1, max_pool=False),
    "res_stem_in": Stem(kernel=7, conv_stride=2, max_pool=True),
    "simple_stem_in": Stem(kernel=3, conv_stride=2, max_pool=False),
}


def stem_layers(stem: Stem, width: int, style: Style) -> nn.Sequential:
    """Return the stem's layers: (N, 3, S, S) -> (N, width, S / stride, S / stride)."""
    layers = [
        ("conv", conv2d(3, width, stem.kernel, stride=stem.conv_stride, tf_padding=style.tf_padding)),
        ("bn", style.norm(width)),
        ("af", style.act()),
    ]
    if stem.max_pool:
        layers.append(("pool", nn.MaxPool2d(3, stride=2, padding=1)))
    return named_sequential(layers)
