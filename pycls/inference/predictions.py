"""What is seen on an image, as a line for people, a row of a table, a JSON object."""

import contextlib
import csv
import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from pycls.core.atomic_io import atomic_text

_COLUMNS = ("class", "index", "prob")


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one image, best first; or why it could not be read."""

    path: str
    names: tuple[str, ...] = ()
    indices: tuple[int, ...] = ()
    probs: tuple[float, ...] = ()  # of all classes together they sum to 1
    error: str = ""
    uncertainty: float | None = None  # of the first class, 0 .. 1, from an introspective head

    def __str__(self) -> str:
        if self.error:
            return f"{self.path}: COULD NOT BE READ: {self.error}"
        guesses = (f"{name} {100 * prob:.1f} %" for name, prob in zip(self.names, self.probs, strict=True))
        doubt = "" if self.uncertainty is None else f" (uncertainty {self.uncertainty:.2g})"
        return f"{self.path}: " + ", ".join(guesses) + doubt


def save_predictions(
    predictions: Iterable[Prediction],
    topk: int,
    csv_file: str | None = None,
    jsonl_file: str | None = None,
    uncertain: bool = False,
) -> Generator[Prediction, None, None]:
    """Pass predictions on, each written to the files that are asked for, which are there when all have been.

    `uncertain`: the table tells uncertainty.
    """
    with contextlib.ExitStack() as stack:
        table = stack.enter_context(atomic_text(Path(csv_file))) if csv_file else None
        lines = stack.enter_context(atomic_text(Path(jsonl_file))) if jsonl_file else None
        if table:
            guesses = (f"{what}{rank}" for rank in range(1, topk + 1) for what in _COLUMNS)
            csv.writer(table).writerow(["path", "error", *guesses, *(["uncertainty"] if uncertain else [])])
        for prediction in predictions:
            if table:
                csv.writer(table).writerow(_csv_row(prediction))
            if lines:
                lines.write(json.dumps(_json_row(prediction), ensure_ascii=False) + "\n")
            yield prediction


def _csv_row(prediction: Prediction) -> list[str]:
    guesses = zip(prediction.names, prediction.indices, prediction.probs, strict=True)
    cells = (cell for name, index, prob in guesses for cell in (name, str(index), f"{prob:.6f}"))
    doubt = [] if prediction.uncertainty is None else [f"{prediction.uncertainty:.6g}"]
    return [prediction.path, prediction.error, *cells, *doubt]


def _json_row(prediction: Prediction) -> dict:
    if prediction.error:
        return {"path": prediction.path, "error": prediction.error}
    guesses = zip(prediction.names, prediction.indices, prediction.probs, strict=True)
    doubt = {} if prediction.uncertainty is None else {"uncertainty": prediction.uncertainty}
    return {"path": prediction.path, "top": [dict(zip(_COLUMNS, guess, strict=True)) for guess in guesses]} | doubt
