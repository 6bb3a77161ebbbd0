"""Color jitter by torchvision's law: brightness, contrast, saturation and hue, in random order, on 8-bit pixels."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from pycls.datasets.transforms.policy import Step, run
from pycls.datasets.transforms.rng import Stream

OPS = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "hue": tv.adjust_hue,
}


@dataclass(frozen=True)
class ColorJitter:
    """Draw a factor from [1 - s, 1 + s] (not below 0) for each strength s, for hue from [-s, s]; 0 leaves one out."""

    strengths: tuple[float, float, float, float]  # in the order of OPS; of hue in turns, at most 0.5

    stream = Stream.COLOR_JITTER
    num_draws = 8  # order and factor of each

    def steps(self, draws: np.ndarray) -> list[Step]:
        """Turn the draws (8,) into operations, in order."""
        factors = dict(zip(OPS, self._factors(draws[4:]), strict=True))
        names = [list(OPS)[place] for place in np.argsort(draws[:4])]
        return [(name, factors[name]) for name in names if self.strengths[list(OPS).index(name)] > 0]

    def _factors(self, draws: np.ndarray) -> list[float]:
        strengths = np.array(self.strengths)
        low = np.append(np.maximum(1 - strengths[:3], 0), -strengths[3])
        high = np.append(1 + strengths[:3], strengths[3])
        return (low + (high - low) * draws).tolist()

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Change the colors of an image as the draws (8,) say."""
        return run(OPS, self.steps(draws), image)
