"""What an evaluation says of each single image: its likeliest classes; asked for once a run, not in every epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pycls.core.distributed import gather_objects

TOPK = 5  # classes kept of each image


@dataclass(frozen=True, eq=False)
class ImagePredictions:
    """The likeliest classes of every image that was evaluated, in the order of the data set; k is 5, or K if less.

    Images that were left out have no row.
    """

    indices: np.ndarray  # int64 (N,): which samples these are, rising
    labels: np.ndarray  # int64 (N,): their classes
    right: np.ndarray  # bool (N,): whether the first class is the label; never where a logit is no number
    label_probs: np.ndarray  # float32 (N,): probability of the label
    classes: np.ndarray  # int32 (N, k): likeliest first; of equal ones the first
    probs: np.ndarray  # float32 (N, k): their probabilities; NaN where a logit is no number
    uncertainty: np.ndarray | None = None  # float32 (N,), 0 .. 1: of the first class, from an introspective head

    def __len__(self) -> int:
        return len(self.indices)

    def surest_mistakes(self, count: int) -> np.ndarray:
        """Return the rows of at most `count` wrong predictions, those of the highest probability first, int64 (n,)."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-_numbers(self.probs[wrong, 0]), kind="stable")][:count]

    def least_certain(self, count: int) -> np.ndarray:
        """Return the rows of at most `count` predictions of the lowest probability, int64 (n,)."""
        return np.argsort(_numbers(self.probs[:, 0]), kind="stable")[:count]


def _numbers(values: np.ndarray) -> np.ndarray:
    """Return float64 values with the lowest of all in the place of what is no number."""
    return np.nan_to_num(values.astype(np.float64), nan=-np.inf)


class Collector:
    """Takes in the predictions of one process, kept on the device; nothing is read back before `gather`.

    About 50 bytes an image: logits are not kept.
    """

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor | None, ...]] = []

    def add(self, indices: Tensor, labels: Tensor, right: Tensor, logits: Tensor, uncertainty: Tensor | None) -> None:
        """Take in one batch: samples (N,), labels (N,), whether each is right (N,), logits (N, K), uncertainty (N,)."""
        probs = logits.softmax(1).float()
        classes = logits.sort(dim=1, descending=True, stable=True).indices[:, :TOPK]  # topk has no order among equals
        own = probs.gather(1, labels[:, None]).squeeze(1)
        self._batches.append((indices, labels, right, own, classes.int(), probs.gather(1, classes), uncertainty))

    def gather(self) -> ImagePredictions:
        """Return the predictions of all processes, each image once, by index."""
        shares = [share for share in gather_objects(self._own()) if share]
        columns = [np.concatenate(column) for column in zip(*shares, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        return ImagePredictions(*(column[order] for column in columns))

    def _own(self) -> list[np.ndarray]:
        columns = zip(*self._batches, strict=True)
        return [torch.cat(column).cpu().numpy() for column in columns if column[0] is not None]
