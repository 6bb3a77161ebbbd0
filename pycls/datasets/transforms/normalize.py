"""Turn uint8 batches into normalized floats on the training device, with what else is done to floats, in one pass."""

import weakref
from collections import defaultdict

import cv2
import numpy as np
import torch

from pycls.datasets.info import LUMA, Color
from pycls.datasets.transforms.float_color_jitter import jitter_map

# Values of a batch beyond which memory, not arithmetic, takes the time on a CPU.
_LARGE = 1 << 22
_MOST_KEPT = 4  # free blocks of one shape

# PCA of ImageNet's colors in 0..1 units (Krizhevsky et al. 2012, section 4.1): rows R, G, B; columns are eigenvectors.
EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])


def lighting_shift(alphas: np.ndarray) -> np.ndarray:
    """Return the RGB shift in 0..1 units of each image, (n, 3) weights of the eigenvectors -> float32 (n, 3)."""
    return ((alphas * EIGENVALUES) @ EIGENVECTORS.T).astype(np.float32)


class BufferPool:
    """Lends float32 tensors on the CPU; their memory comes back with the last tensor, view or graph that uses it."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[np.ndarray]] = defaultdict(list)

    def empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a tensor of any content."""
        free = self._free[shape]
        block = free.pop() if free else np.empty(shape, np.float32)
        lent = block.view()  # torch keeps this object as long as the tensor's storage lives
        weakref.finalize(lent, _take_back, free, block).atexit = False
        return torch.from_numpy(lent)


def _take_back(free: list[np.ndarray], block: np.ndarray) -> None:
    if len(free) < _MOST_KEPT:
        free.append(block)


class Normalize:
    """Compute (x / 255 + shift - mean) / std as one multiplication and one addition a pixel, nine with jitter.

    `white` stands in the place of 255: 1 for floats. With mean and standard deviation of one channel RGB becomes its
    luma, which is not rounded.
    """

    def __init__(self, mean: Color, std: Color, device: torch.device, channels_last: bool = False, white: float = 255):
        std_tensor = torch.tensor(std, dtype=torch.float64)
        self._white = white
        self.scale = (1 / (white * std_tensor)).float().view(1, -1, 1, 1).to(device)
        self.bias = (-torch.tensor(mean, dtype=torch.float64) / std_tensor).float().view(1, -1, 1, 1).to(device)
        self._luma = torch.tensor(LUMA).to(device) if len(mean) == 1 else None
        self._channels_last = channels_last
        self._memory = BufferPool() if device.type == "cpu" else None

    def __call__(
        self,
        images: torch.Tensor,
        shift: torch.Tensor | None = None,
        erased: torch.Tensor | None = None,
        jitter: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Normalize uint8, or float32, (N, S, S, C) -> float32 (N, C, S, S), RGB for gray -> (N, 1, S, S).

        Colors change by the amounts `jitter` (N, 3, 3: see float_color_jitter.py), then `shift` (N, 3) is added in 0..1
        units; at last the boxes `erased` (N, 4: top, left, height, width) become 0.
        """
        bias = self.bias if shift is None else self.bias + self._white * self.scale * shift[:, :, None, None]
        if self._luma is not None:
            pixels = self._gray(images, jitter, self._luma)
        elif jitter is not None:
            pixels = self._jitter(images, jitter, bias)
        elif self._memory is not None and images.numel() > _LARGE and images.dtype == torch.uint8:
            pixels = self._look_up(images, bias, self._memory)
        else:
            pixels = self._compute(images, bias)
        return pixels if erased is None else pixels.masked_fill_(_inside(erased, *pixels.shape[-2:])[:, None], 0)

    def _floats(self, images: torch.Tensor) -> torch.Tensor:
        memory_format = torch.channels_last if self._channels_last else torch.contiguous_format
        return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=memory_format, copy=True)

    def _compute(self, images: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return self._floats(images).mul_(self.scale).add_(bias)

    def _gray(self, images: torch.Tensor, amounts: torch.Tensor | None, luma: torch.Tensor) -> torch.Tensor:
        """Weigh red, green and blue, each as the color jitter leaves it; equal ones stay what they are."""
        weights, bias = luma.expand(len(images), 3), self.bias
        if amounts is not None:
            matrix, shift = jitter_map(amounts, _mean_pixels(images))
            weights = (luma[:, None] * matrix).sum(1)
            bias = bias + self.scale * (luma * shift).sum(1)[:, None, None, None]
        gray = (self._floats(images) * weights[:, :, None, None]).sum(1, keepdim=True)
        return gray.mul_(self.scale).add_(bias)

    def _jitter(self, images: torch.Tensor, amounts: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        pixels = self._floats(images)
        matrix, offset = jitter_map(amounts, _mean_pixels(images))
        matrix = self.scale * matrix[:, :, :, None]
        result = torch.empty_like(pixels).copy_(self.scale * offset[:, :, None, None] + bias)
        for number, channel in enumerate(pixels.split(1, dim=1)):
            result.addcmul_(channel, matrix[:, :, number, None])
        return result

    def _look_up(self, images: torch.Tensor, bias: torch.Tensor, memory: BufferPool) -> torch.Tensor:
        """Do the same on the CPU, to the bit, by tables: one image at a time stays in the cache, and leaves the other
        cores to the loader's threads."""
        num_images, height, width, count = images.shape
        tables = (torch.arange(256) * self.scale.view(1, count, 1) + bias.view(-1, count, 1)).numpy()
        look_up = _look_up_pixels if self._channels_last else _look_up_planes
        sides = (height, width, count) if self._channels_last else (count, height, width)
        floats = memory.empty((num_images, *sides))
        for image, table, place in zip(
            images.numpy(), np.broadcast_to(tables, (num_images, count, 256)), floats.numpy(), strict=True
        ):
            look_up(image, table, place)
        return floats.permute(0, 3, 1, 2) if self._channels_last else floats


def _mean_pixels(images: torch.Tensor) -> torch.Tensor:
    """Return the mean pixel of each image, (N, S, S, C) -> (N, C)."""
    return images.sum((1, 2), dtype=torch.int32) / images[0, :, :, 0].numel()


def _look_up_pixels(image: np.ndarray, table: np.ndarray, place: np.ndarray) -> None:
    cv2.LUT(image, np.ascontiguousarray(table.T)[None], dst=place)


def _look_up_planes(image: np.ndarray, table: np.ndarray, place: np.ndarray) -> None:
    for plane, levels, target in zip(cv2.split(image), table, place, strict=True):
        cv2.LUT(plane, levels, dst=target)


def _inside(boxes: torch.Tensor, num_rows: int, num_columns: int) -> torch.Tensor:
    """Tell which pixels of a view lie in its box, (N, 4) -> bool (N, num_rows, num_columns)."""
    top, left, height, width = boxes[:, :, None].unbind(1)
    down, across = (torch.arange(count, device=boxes.device) for count in (num_rows, num_columns))
    rows = (down >= top) & (down < top + height)
    columns = (across >= left) & (across < left + width)
    return rows[:, :, None] & columns[:, None, :]
