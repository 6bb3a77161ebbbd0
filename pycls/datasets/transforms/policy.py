"""From uniform numbers to operations: the laws by which AutoAugment and its relatives choose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from pycls.datasets.transforms.rng import Stream

Pixels = Image.Image | torch.Tensor  # RGB: a Pillow image, or uint8 (1, 3, H, W)
ImageOrTensor = TypeVar("ImageOrTensor", Image.Image, torch.Tensor)
Operator = Callable[[Any, float], Any]  # Pixels of one of the two kinds -> pixels of the same kind
Step = tuple[str, float]  # name of an operator and its value, in the operator's own unit


class Drawable(Protocol):
    """An operation that may be drawn."""

    @property
    def name(self) -> str:
        """Return the name of the operator."""

    @property
    def prob(self) -> float:
        """Return the probability that the operation is done at all."""

    def value(self, which: float, sign: float) -> float:
        """Return the operator's value that two uniform numbers choose."""


class Op(NamedTuple):
    """An operation that may be drawn: one of its values, each equally likely."""

    name: str
    values: tuple[float, ...] = (0.0,)
    signed: bool = False  # the value is negated half the time
    prob: float = 1.0  # that the operation is done at all

    def value(self, which: float, sign: float) -> float:
        """Return the value that two uniform numbers choose."""
        value = self.values[int(which * len(self.values))]
        return -value if self.signed and sign < 0.5 else value


@dataclass(frozen=True)
class Choice:
    """Choose one of some programs, each a sequence of operations, `num_picks` times."""

    ops: Mapping[str, Operator]
    programs: tuple[tuple[Drawable, ...], ...]  # all of one length
    num_picks: int = 1

    stream = Stream.AUGMENT

    @property
    def pick_draws(self) -> int:
        """Return how many numbers one pick takes: which program, and (done?, value, sign) of each operation."""
        return 1 + 3 * len(self.programs[0])

    @property
    def num_draws(self) -> int:
        """Return how many uniform numbers an image takes."""
        return self.num_picks * self.pick_draws

    def steps(self, draws: np.ndarray) -> list[Step]:
        """Turn the draws (k * pick_draws,) of k picks into the operations to be done, in order."""
        steps = []
        for which, *numbers in draws.reshape(-1, self.pick_draws).tolist():
            program = self.programs[int(which * len(self.programs))]
            for number, op in enumerate(program):
                done, value, sign = numbers[3 * number : 3 * number + 3]
                if done < op.prob:
                    steps.append((op.name, op.value(value, sign)))
        return steps

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Apply what the draws (num_draws,) choose; the same object comes back when that is nothing."""
        return run(self.ops, self.steps(draws), image)


def run(ops: Mapping[str, Operator], steps: list[Step], image: ImageOrTensor) -> ImageOrTensor:
    """Apply operations in order."""
    for name, value in steps:
        image = ops[name](image, value)
    return image


@dataclass(frozen=True)
class Mixture:
    """AugMix (Hendrycks et al. 2020): mix an image with chains of one to three operations on it.

    Weights as in the paper's algorithm with alpha = 1: the image keeps a Beta(1, 1) share, the chains divide the rest
    by Dirichlet(1, 1, 1). Works on tensors, since that is what torchvision's own does.
    """

    chain: Choice  # its picks are the longest chain
    num_chains: int = 3

    stream = Stream.AUGMENT

    @property
    def num_draws(self) -> int:
        """Return how many uniform numbers an image takes: shares, depths and chains."""
        return 1 + self.num_chains * (2 + self.chain.num_draws)

    def weights(self, draws: np.ndarray) -> np.ndarray:
        """Return the shares float32 (1 + num_chains,) of the image and of each chain, which add up to 1."""
        kept = draws[0]
        parts = -np.log1p(-draws[1 : 1 + self.num_chains])  # exponential: normalized, they are Dirichlet(1, ...)
        return np.concatenate([[kept], (1 - kept) * parts / parts.sum()]).astype(np.float32)

    def chains(self, draws: np.ndarray) -> list[list[Step]]:
        """Return the operations of each chain; every length is equally likely."""
        depths = 1 + (draws[1 + self.num_chains : 1 + 2 * self.num_chains] * self.chain.num_picks).astype(int)
        rows = draws[1 + 2 * self.num_chains :].reshape(self.num_chains, -1)
        per_pick = self.chain.pick_draws
        return [self.chain.steps(row[: depth * per_pick]) for row, depth in zip(rows, depths, strict=True)]

    def __call__(self, image: Image.Image, draws: np.ndarray) -> Image.Image:
        """Mix an image as the draws (num_draws,) say; fractions of gray levels are cut off, as torchvision does."""
        pixels = tv.pil_to_tensor(image)[None]
        kept, *shares = self.weights(draws)
        mixed = float(kept) * pixels
        for share, steps in zip(shares, self.chains(draws), strict=True):
            mixed.add_(float(share) * run(self.chain.ops, steps, pixels))
        return tv.to_pil_image(mixed[0].to(torch.uint8))
