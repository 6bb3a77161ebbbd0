"""Evaluation that counts: every image once on any number of processes, integers summed, one reduction."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pycls.core.distributed import all_reduce_sum
from pycls.datasets.loader import Loader
from pycls.engine.meters import topk_correct
from pycls.engine.plots import plot_confusion
from pycls.engine.precision import Precision
from pycls.losses import Loss, soft_targets

# The confusion matrix of more classes than this is left out: it would fill memory and no page.
MAX_CONFUSION_CLASSES = 5000


@dataclass(frozen=True)
class Evaluation:
    """Counts over one data set; errors in percent."""

    count: int
    top1_correct: int
    top5_correct: int
    loss: float
    images: Tensor  # int64 (K,): images of each class
    correct: Tensor  # int64 (K,): those whose class was predicted
    confusion: Tensor | None  # int64 (K, K): rows are true classes, columns predicted ones

    @property
    def top1_err(self) -> float:
        """Top-1 error in percent."""
        return 100.0 * (1.0 - self.top1_correct / self.count)

    @property
    def top5_err(self) -> float:
        """Top-5 error in percent (top-K when there are fewer than five classes)."""
        return 100.0 * (1.0 - self.top5_correct / self.count)

    def per_class(self) -> Tensor:
        """Return the accuracy of each class in percent, (K,) float64, NaN for a class without images."""
        return 100.0 * self.correct.double() / self.images.double()


@torch.inference_mode()
def evaluate(model: nn.Module, loader: Loader, loss_fn: Loss, precision: Precision, num_classes: int) -> Evaluation:
    """Evaluate a model on every image of the loader's data set, counted over all processes."""
    model.eval()
    counter = Counter(num_classes, precision.device)
    for batch in loader.epoch(0):
        with precision.autocast():
            logits = model(batch.images)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        targets = soft_targets(batch.labels, num_classes, 0.0, dtype=logits.dtype)
        counter.add(logits, batch.labels, loss_fn(logits, targets))
    return counter.total(expected=len(loader.samples))


class Counter:
    """Counts of one process, kept on the device; nothing is read back before `total`."""

    def __init__(self, num_classes: int, device: torch.device):
        real = torch.float32 if device.type == "mps" else torch.float64
        side = num_classes if num_classes <= MAX_CONFUSION_CLASSES else 0
        sizes = {"topk": 2, "images": num_classes, "correct": num_classes, "confusion": side * side}
        self._counts = {name: torch.zeros(size, dtype=torch.int64, device=device) for name, size in sizes.items()}
        self._loss_sum = torch.zeros(1, dtype=real, device=device)
        self._num_images, self._num_classes = 0, num_classes

    def add(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Take in one batch: logits (N, K), labels (N,), its mean loss."""
        guesses, ones = logits.argmax(1), torch.ones_like(labels)
        self._num_images += len(labels)
        self._loss_sum += loss * len(labels)
        self._counts["topk"] += torch.stack(topk_correct(logits, labels))
        self._counts["images"].scatter_add_(0, labels, ones)
        self._counts["correct"].scatter_add_(0, labels, (guesses == labels).long())
        if len(self._counts["confusion"]):
            self._counts["confusion"].scatter_add_(0, labels * self._num_classes + guesses, ones)

    def total(self, expected: int) -> Evaluation:
        """Sum over all processes; RuntimeError unless each of `expected` images was counted once."""
        own = torch.tensor([self._num_images], device=self._loss_sum.device)
        integers = all_reduce_sum(torch.cat([own, *self._counts.values()])).cpu()
        loss_sum = all_reduce_sum(self._loss_sum).item()
        counted, topk, images, correct, confusion = integers.split([1, *map(len, self._counts.values())])
        count = int(counted)
        if count != expected or int(images.sum()) != expected:
            raise RuntimeError(f"evaluation counted {count} images of {expected}: no error is given, it would be wrong")
        matrix = confusion.view(self._num_classes, -1) if len(confusion) else None
        return Evaluation(count, *topk.tolist(), loss_sum / count, images, correct, matrix)


def save_per_class(evaluation: Evaluation, classes: tuple[str, ...], folder: Path, prefix: str) -> list[Path]:
    """Write per-class accuracy and, where there is one, the confusion matrix as CSV and PNG; return the files."""
    per_class = folder / f"{prefix}_per_class.csv"
    rows = zip(classes, evaluation.images.tolist(), evaluation.per_class().tolist(), strict=True)
    _write_csv(per_class, [("class", "images", "accuracy_pct"), *((c, n, f"{a:.4f}") for c, n, a in rows)])
    if evaluation.confusion is None:
        return [per_class]
    confusion, picture = folder / f"{prefix}_confusion.csv", folder / f"{prefix}_confusion.png"
    lines = zip(classes, evaluation.confusion.tolist(), strict=True)
    _write_csv(confusion, [("true\\predicted", *classes), *((c, *row) for c, row in lines)])
    plot_confusion(evaluation.confusion, classes, picture)
    return [per_class, confusion, picture]


def _write_csv(path: Path, rows: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
