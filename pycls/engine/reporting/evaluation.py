"""What an evaluation found: counts of every class, and the same as a record."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pycls.core.distributed import world_size
from pycls.datasets.workers.bad_images import Failure
from pycls.engine.reporting.image_predictions import ImagePredictions

# Of uncertainties: four bins a decade, as well-trained networks differ in powers of ten; the first begins at 0.
UNCERTAINTY_EDGES = (0.0, *(10 ** (quarter / 4) for quarter in range(-20, 1)))
UNCERTAINTY_BINS = len(UNCERTAINTY_EDGES) - 1

NUM_NAMED = 5  # bad images named in a record; the log and OUT_DIR/test_left_out.txt name all


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
    predictions: ImagePredictions | None = None  # of every single image; None: not asked for

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


def evaluation_record(kind: str, epoch: str, result: Evaluation, seconds: float, memory_mb: int) -> dict[str, Any]:
    """Return the record of one evaluation pass; it has the same keys whatever was found.

    The lowest errors so far are its own, where it knows of no others. Of bad images that were left out it names the
    first.
    """
    return {
        "_type": kind,
        "epoch": epoch,
        "time_avg": seconds / result.count,
        "time_epoch": seconds,
        "images_per_sec": result.count / seconds,
        "processes": world_size(),
        "mem": memory_mb,
        **evaluation_figures(result),
        "min_top1_err": result.top1_err,
        "min_top5_err": result.top5_err,
        "left_out": len(result.left_out),
        "left_out_files": [failure.name for failure in result.left_out[:NUM_NAMED]],
    }


def evaluation_figures(result: Evaluation) -> dict[str, Any]:
    """Return error (percent), loss and count."""
    return {"top1_err": result.top1_err, "top5_err": result.top5_err, "loss": result.loss, "count": result.count}
