"""Evaluation that counts: every image once on any number of processes, integers summed, one reduction."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pycls.core.distributed import all_reduce_sum
from pycls.datasets.loader import Loader
from pycls.engine.meters import topk_correct
from pycls.engine.precision import Precision
from pycls.losses import Loss, soft_targets


@dataclass(frozen=True)
class Evaluation:
    """Counts over one data set; errors in percent."""

    count: int
    top1_correct: int
    top5_correct: int
    loss: float
    confusion: Tensor  # (K, K) int64: rows are true classes, columns predicted ones

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
        return 100.0 * self.confusion.diagonal().double() / self.confusion.sum(1).double()


@torch.inference_mode()
def evaluate(model: nn.Module, loader: Loader, loss_fn: Loss, precision: Precision, num_classes: int) -> Evaluation:
    """Evaluate a model on every image of the loader's data set, counted over all processes."""
    model.eval()
    counts, loss_sum, confusion = _zeros(num_classes, precision.device)
    for batch in loader.epoch(0):
        with precision.autocast():
            logits = model(batch.images)
        targets = soft_targets(batch.labels, num_classes, 0.0, dtype=torch.promote_types(logits.dtype, torch.float32))
        size = len(batch.labels)
        counts += torch.stack([batch.labels.new_tensor(size), *topk_correct(logits, batch.labels)])
        loss_sum += loss_fn(logits, targets) * size
        cells = batch.labels * num_classes + logits.argmax(1)
        confusion += torch.bincount(cells, minlength=num_classes**2)
    return _reduce(counts, loss_sum, confusion, len(loader.samples))


def _zeros(num_classes: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    real = torch.float32 if device.type == "mps" else torch.float64
    counts = torch.zeros(3, dtype=torch.int64, device=device)
    return (
        counts,
        torch.zeros(1, dtype=real, device=device),
        torch.zeros(num_classes**2, dtype=torch.int64, device=device),
    )


def _reduce(counts: Tensor, loss_sum: Tensor, confusion: Tensor, expected: int) -> Evaluation:
    integers = all_reduce_sum(torch.cat([counts, confusion])).cpu()
    loss_total = all_reduce_sum(loss_sum).item()
    count, top1, top5 = integers[:3].tolist()
    if count != expected:
        raise RuntimeError(
            f"evaluation counted {count} images of {expected}; the error would be wrong, so none is given"
        )
    side = round(len(confusion) ** 0.5)
    return Evaluation(count, top1, top5, loss_total / count, integers[3:].view(side, side))


def save_per_class(evaluation: Evaluation, classes: tuple[str, ...], folder: Path, prefix: str) -> list[Path]:
    """Write per-class accuracy and the confusion matrix as CSV and PNG; return the files."""
    from pycls.engine.plots import plot_confusion

    per_class, confusion, picture = (
        folder / f"{prefix}_{n}" for n in ("per_class.csv", "confusion.csv", "confusion.png")
    )
    rows = zip(classes, evaluation.confusion.sum(1).tolist(), evaluation.per_class().tolist(), strict=True)
    per_class.write_text("class,images,accuracy_pct\n" + "".join(f'"{c}",{n},{a:.4f}\n' for c, n, a in rows))
    header = "true\\predicted," + ",".join(f'"{c}"' for c in classes)
    lines = [f'"{c}",' + ",".join(map(str, row)) for c, row in zip(classes, evaluation.confusion.tolist(), strict=True)]
    confusion.write_text("\n".join([header, *lines]) + "\n")
    plot_confusion(evaluation.confusion, classes, picture)
    return [per_class, confusion, picture]
