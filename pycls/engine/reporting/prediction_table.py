"""The table of the predictions of single images: one row an image, for pandas, a spreadsheet or csv."""

from collections.abc import Iterator
from pathlib import Path

from pycls.datasets.readers.samples import Samples
from pycls.engine.reporting.csv_file import write_csv
from pycls.engine.reporting.evaluation import Evaluation
from pycls.engine.reporting.image_predictions import ImagePredictions


def save_predictions_table(evaluation: Evaluation, samples: Samples, folder: Path, prefix: str) -> list[Path]:
    """Write `prefix`_predictions.csv, if predictions were asked for; return the files."""
    path = folder / f"{prefix}_predictions.csv"
    if evaluation.predictions is None:
        path.unlink(missing_ok=True)  # of an earlier evaluation
        return []
    write_csv(path, _rows(evaluation.predictions, samples))
    return [path]


def _rows(found: ImagePredictions, samples: Samples) -> Iterator[list[str]]:
    guesses = [f"{what}{rank}" for rank in range(1, found.classes.shape[1] + 1) for what in ("class", "prob")]
    doubt = [] if found.uncertainty is None else ["uncertainty"]
    yield ["path", "label", "predicted", "right", "label_prob", *guesses, *doubt]
    for row, index in enumerate(found.indices.tolist()):
        names = [samples.classes[number] for number in found.classes[row].tolist()]
        probs = [f"{prob:.6f}" for prob in found.probs[row].tolist()]
        cells = [cell for guess in zip(names, probs, strict=True) for cell in guess]
        doubt = [] if found.uncertainty is None else [f"{found.uncertainty[row]:.6g}"]
        label, right = samples.classes[found.labels[row]], str(int(found.right[row]))
        yield [samples.name(index), label, names[0], right, f"{found.label_probs[row]:.6f}", *cells, *doubt]
