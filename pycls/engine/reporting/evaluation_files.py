"""Files that an evaluation leaves: accuracy per class, confusion matrix, single images, uncertainties, bad images."""

from pathlib import Path

from pycls.datasets.readers.samples import ArraySamples, Samples
from pycls.datasets.readers.skip_list import save_skip_list
from pycls.engine.reporting.csv_file import write_csv
from pycls.engine.reporting.evaluation import UNCERTAINTY_EDGES, Evaluation
from pycls.engine.reporting.plots import plot_confusion, plot_uncertainty
from pycls.engine.reporting.prediction_table import save_predictions_table


def save_evaluation(evaluation: Evaluation, samples: Samples, folder: Path, prefix: str) -> list[Path]:
    """Write all of the files below; return those that there are. `prefix` begins their names."""
    return [
        *save_per_class(evaluation, samples.classes, folder, prefix),
        *save_predictions_table(evaluation, samples, folder, prefix),
        *save_uncertainty(evaluation, folder, prefix),
        *save_left_out(evaluation, samples, folder, prefix),
    ]


def save_per_class(evaluation: Evaluation, classes: tuple[str, ...], folder: Path, prefix: str) -> list[Path]:
    """Write per-class accuracy and, where there is one, the confusion matrix as CSV and PNG; return the files."""
    per_class = folder / f"{prefix}_per_class.csv"
    rows = zip(classes, evaluation.images.tolist(), evaluation.per_class().tolist(), strict=True)
    write_csv(per_class, [("class", "images", "accuracy_pct"), *((c, n, f"{a:.4f}") for c, n, a in rows)])
    if evaluation.confusion is None:
        return [per_class]
    confusion, picture = folder / f"{prefix}_confusion.csv", folder / f"{prefix}_confusion.png"
    lines = zip(classes, evaluation.confusion.tolist(), strict=True)
    write_csv(confusion, [("true\\predicted", *classes), *((c, *row) for c, row in lines)])
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
    write_csv(table, [("from", "to", "wrong", "right"), *rows])
    plot_uncertainty(evaluation.uncertainty, UNCERTAINTY_EDGES, picture)
    return [table, picture]


def save_left_out(evaluation: Evaluation, samples: Samples, folder: Path, prefix: str) -> list[Path]:
    """Write the names of the images that were left out, if any, as a skip list; return the files."""
    path = folder / f"{prefix}_left_out.txt"
    path.unlink(missing_ok=True)  # of an earlier evaluation
    if not evaluation.left_out or isinstance(samples, ArraySamples):  # arrays hold no bad images
        return []
    save_skip_list(path, {samples.key(failure.index): failure.reason for failure in evaluation.left_out})
    return [path]
