"""Array data on the device: shifted crops and flips as one indexing operation a batch, no workers and no copies.

With augmentation (TRAIN.AUGMENT, torchvision's TRAIN.COLOR_JITTER), which is done on the host, the images stay there.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch

from pycls.core.config.im_size import sides
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.transforms.rng import Stream, uniforms
from pycls.datasets.transforms.view import View, flips
from pycls.datasets.workers.augmenter import build_augmenter
from pycls.datasets.workers.bad_images import Failure


class MemoryBackend:
    """Holds all images, on the device if it can, and cuts batches out of them."""

    def __init__(self, samples: ArraySamples, view: View, *, device: torch.device):
        self._augmenter = build_augmenter(view, num_threads=1)  # small images keep Python busy: more would not help
        self.view, self.device = view, device if self._augmenter is None else torch.device("cpu")
        self.failures: Sequence[Failure] = ()  # array data has none
        self.interrupt: Callable[[], None] | None = None  # nor does it wait for anybody
        images = torch.from_numpy(samples.images).to(self.device)
        self.images = _padded(images, view.padding, view.border) if view.train else images

    def batches(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        """Yield uint8 (B, S, S, C) for each index array, in order: on the device, augmented ones on the host.

        Gray arrays come as RGB.
        """
        batches = self._cut_batches(epoch, index_batches)
        if self._augmenter is None:
            return batches
        drawn = ((batch, ()) for batch in batches)
        return (batch for batch, _ in self._augmenter.run(epoch, index_batches, drawn))

    def _cut_batches(self, epoch: int, index_batches: Sequence[np.ndarray]) -> Generator[torch.Tensor, None, None]:
        for indices in index_batches:
            cut = self._cut(epoch, indices) if self.view.train else self.images[self._to_device(indices)]
            yield cut.expand(-1, -1, -1, 3) if cut.shape[3] == 1 else cut

    def close(self) -> None:
        """End the thread that augments."""
        if self._augmenter is not None:
            self._augmenter.close()

    def _cut(self, epoch: int, indices: np.ndarray) -> torch.Tensor:
        """Mirror the padded images that are to be flipped, then take a square of each: (B, S, S, C)."""
        images, flipped = indices % len(self.images), flips(self.view, epoch, indices)
        plan = np.concatenate([images[None], offsets(self.view, epoch, indices), flipped[None]])
        picked, top, left, flip = self._to_device(plan)
        down, across = (torch.arange(side, device=self.device) for side in sides(self.view.size))
        rows, columns = top[:, None] + down, left[:, None] + across
        columns = torch.where(flip[:, None].bool(), self.images.shape[2] - 1 - columns, columns)
        return self.images[picked[:, None, None], rows[:, :, None], columns[:, None, :]]

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        tensor = tensor.pin_memory() if self.device.type == "cuda" else tensor  # else the copy would stop the host
        return tensor.to(self.device, non_blocking=True)


def offsets(view: View, epoch: int, indices: np.ndarray) -> np.ndarray:
    """Return int64 (2, n): top and left of each crop in the padded image; pycls never uses the last offset."""
    if not view.crops_randomly:
        return np.full((2, len(indices)), view.padding)
    choices = 2 * view.padding + (view.crop_style == "torchvision")
    draws = uniforms(view.seed, Stream.BOX, epoch, indices, 2)
    return np.floor(draws.T * choices).astype(np.int64)


def _padded(images: torch.Tensor, padding: int, color: tuple[int, int, int]) -> torch.Tensor:
    """Add a border of one color, (N, H, W, C) -> (N, H + 2 * padding, W + 2 * padding, C)."""
    num, height, width, channels = images.shape
    padded = images.new_empty(num, height + 2 * padding, width + 2 * padding, channels)
    padded[:] = torch.tensor((*color, *[0] * channels)[:channels], dtype=torch.uint8)
    padded[:, padding : padding + height, padding : padding + width] = images
    return padded
