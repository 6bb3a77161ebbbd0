"""Evaluation that counts: every image once on any number of processes, integers summed, one reduction."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from pycls.core.distributed import all_reduce_sum, gather_objects, is_main, world_size
from pycls.core.logging import get_logger, progress_bar
from pycls.datasets.loader import Batch, Loader
from pycls.datasets.workers.bad_images import Failure
from pycls.engine.network.compile import CompiledNetwork
from pycls.engine.network.forward import forward
from pycls.engine.network.precision import Precision
from pycls.engine.reporting.evaluation import UNCERTAINTY_BINS, UNCERTAINTY_EDGES, Evaluation
from pycls.engine.reporting.image_predictions import Collector
from pycls.engine.reporting.meters import topk_hits
from pycls.losses import Loss, soft_targets

logger = get_logger(__name__)

# The confusion matrix of more classes than this is left out: it would fill memory and no page.
MAX_CONFUSION_CLASSES = 5000


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    loader: Loader,
    loss_fn: Loss,
    precision: Precision,
    num_classes: int,
    hflip: bool = False,
    compiled: bool = False,
    label: str = "test",
    collector: Collector | None = None,
    outputs: Sequence[int] | None = None,
) -> Evaluation:
    """Evaluate a model on every image of the loader's data set, bad ones left out, counted over all processes.

    `hflip`: by the mean of the logits of each image and its mirror image. `compiled`: by torch.compile, see
    `CompiledNetwork`. `label`: of the progress bar, on a terminal. With a `collector` the predictions of every image
    are in the result. `outputs`: the network's outputs that are the `num_classes` classes; None: all of them.
    """
    model = CompiledNetwork(model.eval()) if compiled else model.eval()
    counter = Counter(num_classes, precision.device)
    chosen = None if outputs is None else torch.tensor(outputs, device=precision.device)
    for batch in _with_bar(loader, label):
        counter.leave_out(batch.failures)
        if len(batch.labels) == 0:
            continue
        logits, uncertainty = forward(model, batch.images, precision, hflip, chosen)
        targets = soft_targets(batch.labels, num_classes, 0.0, dtype=logits.dtype)
        counter.add(logits, batch.labels, loss_fn(logits, targets))
        if uncertainty is not None:
            counter.add_uncertainty(uncertainty, logits.argmax(1) == batch.labels)
        if collector is not None:
            (right,) = topk_hits(logits, batch.labels, (1,))
            collector.add(batch.indices, batch.labels, right, logits, uncertainty)
    result = counter.total(expected=len(loader.samples))
    if collector is not None:
        result = replace(result, predictions=collector.gather())
    _tell_of_trouble(result, loader)
    return result


def _tell_of_trouble(result: Evaluation, loader: Loader) -> None:
    if not math.isfinite(result.loss):
        logger.warning(
            "The loss of the evaluation is %s: images whose logits are not numbers count as wrong", result.loss
        )
    if result.left_out:
        loader.note_bad(result.left_out)  # those of other processes are not in the log yet


def _with_bar(loader: Loader, label: str) -> Iterator[Batch]:
    """Iterate over the batches, on a terminal with a bar that counts the main process's images."""
    own_share = math.ceil(len(loader.samples) / world_size())
    with progress_bar(None, label, own_share, delay_sec=1, hidden=not is_main()) as bar:
        for batch in loader.epoch(0):
            yield batch
            bar.update(len(batch.labels) + len(batch.failures))


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
        top1, top5 = topk.tolist()
        return Evaluation(count, top1, top5, loss_sum / count, images, correct, matrix, left_out, histogram)


def _gather_failures(own: list[Failure]) -> tuple[Failure, ...]:
    """Return those of all processes by index, each once."""
    found = {failure.index: failure for failures in gather_objects(own) for failure in failures}
    return tuple(found[index] for index in sorted(found))
