"""Evaluation that counts: every image once on any number of processes, integers summed, one reduction."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pycls.core.distributed import all_reduce_sum, gather_objects
from pycls.core.logging import get_logger
from pycls.datasets.loader import Loader
from pycls.datasets.readers.samples import Samples
from pycls.datasets.readers.skip_list import save_skip_list
from pycls.datasets.workers.bad_images import Failure
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.network.forward import forward
from pycls.engine.network.precision import Precision
from pycls.engine.reporting.meters import topk_hits
from pycls.engine.reporting.plots import plot_confusion, plot_uncertainty
from pycls.losses import Loss, soft_targets

logger = get_logger(__name__)

# The confusion matrix of more classes than this is left out: it would fill memory and no page.
MAX_CONFUSION_CLASSES = 5000
# Of uncertainties: four bins a decade, as well-trained networks differ in powers of ten; the first begins at 0.
UNCERTAINTY_EDGES = (0.0, *(10 ** (quarter / 4) for quarter in range(-20, 1)))
UNCERTAINTY_BINS = len(UNCERTAINTY_EDGES) - 1


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
    left_out: tuple[Failure, ...] = ()  # bad images, which count nowhere above, by index
    uncertainty: Tensor | None = None  # int64 (2, bins): wrong, right predictions by uncertainty; None: not known

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
def evaluate(
    model: nn.Module,
    loader: Loader,
    loss_fn: Loss,
    precision: Precision,
    num_classes: int,
    hflip: bool = False,
    compiled: bool = False,
) -> Evaluation:
    """Evaluate a model on every image of the loader's data set, bad ones left out, counted over all processes.

    `hflip`: by the mean of the logits of each image and its mirror image. `compiled`: by torch.compile, see
    `CompiledNetwork`.
    """
    model = CompiledNetwork(model.eval()) if compiled else model.eval()
    counter = Counter(num_classes, precision.device)
    for batch in loader.epoch(0):
        counter.leave_out(batch.failures)
        if len(batch.labels) == 0:
            continue
        logits, uncertainty = forward(model, batch.images, precision, hflip)
        targets = soft_targets(batch.labels, num_classes, 0.0, dtype=logits.dtype)
        counter.add(logits, batch.labels, loss_fn(logits, targets))
        if uncertainty is not None:
            counter.add_uncertainty(uncertainty, logits.argmax(1) == batch.labels)
    result = counter.total(expected=len(loader.samples))
    if not math.isfinite(result.loss):
        logger.warning(
            "The loss of the evaluation is %s: images whose logits are not numbers count as wrong", result.loss
        )
    if result.left_out:
        loader.note_bad(result.left_out)  # those of other processes are not in the log yet
    return result


class Counter:
    """Counts of one process, kept on the device; nothing is read back before `total`."""

    def __init__(self, num_classes: int, device: torch.device):
        real = torch.float32 if device.type == "mps" else torch.float64
        side = num_classes if num_classes <= MAX_CONFUSION_CLASSES else 0
        sizes = {"topk": 2, "images": num_classes, "correct": num_classes, "confusion": side * side}
        sizes["uncertainty"] = 2 * UNCERTAINTY_BINS
        self._counts = {name: torch.zeros(size, dtype=torch.int64, device=device) for name, size in sizes.items()}
        self._loss_sum = torch.zeros(1, dtype=real, device=device)
        self._num_images, self._num_classes = 0, num_classes
        self._left_out: list[Failure] = []

    def add(self, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Take in one batch: logits (N, K), labels (N,), its mean loss."""
        guesses, hits, ones = logits.argmax(1), topk_hits(logits, labels), torch.ones_like(labels)
        self._num_images += len(labels)
        self._loss_sum += loss * len(labels)
        self._counts["topk"] += hits.sum(1)
        self._counts["images"].scatter_add_(0, labels, ones)
        self._counts["correct"].scatter_add_(0, labels, hits[0].long())
        if len(self._counts["confusion"]):
            self._counts["confusion"].scatter_add_(0, labels * self._num_classes + guesses, ones)

    def add_uncertainty(self, uncertainty: Tensor, right: Tensor) -> None:
        """Take in the uncertainty (N,), 0 .. 1, of the predictions of a batch, and whether each is right, (N,)."""
        inner = torch.tensor(UNCERTAINTY_EDGES[1:-1], device=uncertainty.device)
        bins = torch.bucketize(uncertainty, inner, right=True)
        self._counts["uncertainty"].scatter_add_(0, right.long() * UNCERTAINTY_BINS + bins, torch.ones_like(bins))

    def leave_out(self, failures: Sequence[Failure]) -> None:
        """Take note of bad images, which are in no batch."""
        self._left_out += failures

    def total(self, expected: int) -> Evaluation:
        """Sum over all processes; RuntimeError unless each of `expected` images was counted or left out once."""
        own = torch.tensor([self._num_images, len(self._left_out)], device=self._loss_sum.device)
        integers = all_reduce_sum(torch.cat([own, *self._counts.values()])).cpu()
        loss_sum = all_reduce_sum(self._loss_sum).item()
        counted, topk, images, correct, confusion, uncertainty = integers.split([2, *map(len, self._counts.values())])
        count, num_left_out = counted.tolist()
        left_out = _gather_failures(self._left_out) if num_left_out else ()
        if not count + num_left_out == int(images.sum()) + len(left_out) == expected:
            and_more = f" and left out {num_left_out}" if num_left_out else ""
            raise RuntimeError(
                f"evaluation counted {count} images of {expected}{and_more}: no error is given, it would be wrong"
            )
        if count == 0:
            raise ValueError(f"none of the {expected} images to evaluate could be read; the first: {left_out[0]}")
        matrix = confusion.view(self._num_classes, -1) if len(confusion) else None
        histogram = uncertainty.view(2, -1) if uncertainty.any() else None
        return Evaluation(count, *topk.tolist(), loss_sum / count, images, correct, matrix, left_out, histogram)


def _gather_failures(own: list[Failure]) -> tuple[Failure, ...]:
    """Return those of all processes by index, each once."""
    found = {failure.index: failure for failures in gather_objects(own) for failure in failures}
    return tuple(found[index] for index in sorted(found))


def save_left_out(evaluation: Evaluation, samples: Samples, folder: Path, prefix: str) -> list[Path]:
    """Write the names of the images that were left out, if any, as a skip list; return the files."""
    path = folder / f"{prefix}_left_out.txt"
    path.unlink(missing_ok=True)  # of an earlier evaluation
    if not evaluation.left_out:
        return []
    save_skip_list(path, {samples.key(failure.index): failure.reason for failure in evaluation.left_out})
    return [path]


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


def save_uncertainty(evaluation: Evaluation, folder: Path, prefix: str) -> list[Path]:
    """Write the wrong and right predictions by uncertainty, if known, as CSV and PNG; return the files."""
    table, picture = folder / f"{prefix}_uncertainty.csv", folder / f"{prefix}_uncertainty.png"
    for path in (table, picture):
        path.unlink(missing_ok=True)  # of an earlier evaluation
    if evaluation.uncertainty is None:
        return []
    edges = [f"{edge:.2g}" for edge in UNCERTAINTY_EDGES]
    rows = zip(edges, edges[1:], *evaluation.uncertainty.tolist(), strict=False)
    _write_csv(table, [("from", "to", "wrong", "right"), *rows])
    plot_uncertainty(evaluation.uncertainty, UNCERTAINTY_EDGES, picture)
    return [table, picture]


def _write_csv(path: Path, rows: list[tuple]) -> None:
    # Names of folders may be any bytes: they are written as they are.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
