"""BlurPool: strided convolutions that blur first, so that a shift of the image changes less (Zhang, ICML 2019).

Where FFCV's ImageNet recipes put it: in front of every strided convolution of at least 16 input channels. Weights keep
their names and shapes, so that files load into either network; they mean another function.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

MIN_CHANNELS = 16  # a stem that sees RGB stays as it is


class BlurConv2d(nn.Conv2d):
    """A convolution whose input is blurred by (1, 2, 1) x (1, 2, 1) / 16, zeros around it: (N, C, H, W)."""

    blurs_first = True  # so that weights of a network without are not taken for its own

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.conv2d(x, _kernel(x), padding=1, groups=x.shape[1]))


def _kernel(x: Tensor) -> Tensor:
    """Return the filter of each channel, (C, 1, 3, 3), made on the device: a copy from the host would wait for it."""
    line = 0.5 ** (2 - (torch.arange(3, device=x.device) % 2).to(x.dtype))  # 1/4, 1/2, 1/4
    return torch.outer(line, line).expand(x.shape[1], 1, 3, 3)


def add_blurpool(model: nn.Module) -> int:
    """Make the strided convolutions of a network blur first, in place; return how many there are."""
    plain = [module for module in model.modules() if type(module) is nn.Conv2d]
    strided = [conv for conv in plain if max(conv.stride) > 1 and conv.in_channels >= MIN_CHANNELS]
    for conv in strided:
        conv.__class__ = BlurConv2d
    return len(strided)
