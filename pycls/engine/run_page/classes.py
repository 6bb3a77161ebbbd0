"""What the page says of classes: the confusion matrix, as far as one can read it, its largest entries, accuracies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pycls.core.page.pictures import data_uri, encode_image
from pycls.engine.reporting.evaluation import Evaluation

MOST_IN_TABLE = 20  # classes whose matrix is a table of numbers
MOST_IN_PICTURE = 120  # ... is a picture; of more only the largest entries can be read
NUM_PAIRS = 30
MOST_ROWS = 1000  # of the table of classes

_RIGHT, _WRONG = np.array([0, 114, 178]), np.array([213, 94, 0])  # colors of the diagonal, and of everything else
_PICTURE_PX = 480


@dataclass(frozen=True)
class MatrixCell:
    """An entry of the matrix: images, and how strongly it is colored, 0 .. 1."""

    count: int
    right: bool
    strength: float


@dataclass(frozen=True)
class Confusion:
    """A class and another that it is taken for."""

    true: str
    predicted: str
    count: int
    share_pct: float  # of the images of the true class


@dataclass(frozen=True)
class ClassRow:
    """How well a class is recognized."""

    name: str
    images: int
    correct: int
    accuracy_pct: float | None  # None: no images
    taken_for: Confusion | None  # what it is mostly taken for


@dataclass(frozen=True)
class ClassTables:
    """All that the page shows of classes."""

    names: Sequence[str]
    rows: Sequence[ClassRow]  # the worst first, MOST_ROWS at most
    cells: Sequence[Sequence[MatrixCell]]  # of a matrix that fits a table, else none
    picture: str  # of one that fits a picture, a data URI, else ""
    pairs: Sequence[Confusion]  # those most often confused


def class_tables(evaluation: Evaluation, names: Sequence[str]) -> ClassTables:
    """Return what there is to show of an evaluation's classes."""
    matrix = None if evaluation.confusion is None else evaluation.confusion.cpu().numpy()
    images, correct = evaluation.images.cpu().numpy(), evaluation.correct.cpu().numpy()
    accuracy = np.divide(correct, images, out=np.full(len(images), 2.0), where=images > 0)  # without images: last
    worst = np.argsort(accuracy, kind="stable")[:MOST_ROWS]
    rows = [_class_row(int(number), names, images, correct, matrix) for number in worst]
    if matrix is None:
        return ClassTables(names, rows, (), "", ())
    shares = matrix / np.maximum(images, 1)[:, None]
    in_table = len(names) <= MOST_IN_TABLE
    picture = "" if in_table or len(names) > MOST_IN_PICTURE else _picture(shares)
    return ClassTables(names, rows, _cells(matrix, shares) if in_table else (), picture, _pairs(matrix, names, images))


def _class_row(
    number: int, names: Sequence[str], images: np.ndarray, correct: np.ndarray, matrix: np.ndarray | None
) -> ClassRow:
    taken_for = None
    if matrix is not None:
        others = matrix[number].copy()
        others[number] = 0
        other = int(others.argmax())
        if others[other]:
            taken_for = _pair(number, other, int(others[other]), names, images)
    count = int(images[number])
    accuracy_pct = 100.0 * int(correct[number]) / count if count else None
    return ClassRow(names[number], count, int(correct[number]), accuracy_pct, taken_for)


def _pair(true: int, predicted: int, count: int, names: Sequence[str], images: np.ndarray) -> Confusion:
    return Confusion(names[true], names[predicted], count, 100.0 * count / int(images[true]))


def _pairs(matrix: np.ndarray, names: Sequence[str], images: np.ndarray) -> list[Confusion]:
    """Return the entries beside the diagonal with most images; of equal ones the larger share of their class first."""
    true, predicted = np.nonzero(matrix)
    true, predicted = true[true != predicted], predicted[true != predicted]
    counts = matrix[true, predicted]
    order = np.lexsort((predicted, true, -counts / images[true], -counts))[:NUM_PAIRS]
    return [_pair(int(true[i]), int(predicted[i]), int(counts[i]), names, images) for i in order]


def _strengths(shares: np.ndarray) -> np.ndarray:
    """Return how strongly entries are colored, 0 .. 1: a few mistakes among many images can be seen, too."""
    return np.where(np.eye(len(shares), dtype=bool), shares, np.sqrt(shares))


def _cells(matrix: np.ndarray, shares: np.ndarray) -> list[list[MatrixCell]]:
    strengths = _strengths(shares)
    numbers = range(len(matrix))
    return [
        [MatrixCell(int(matrix[true, other]), true == other, float(strengths[true, other])) for other in numbers]
        for true in numbers
    ]


def _picture(shares: np.ndarray) -> str:
    """Return the matrix as a PNG, its cells as squares, white for none."""
    size = len(shares)
    colors = np.where(np.eye(size, dtype=bool)[..., None], _RIGHT, _WRONG)
    pixels = 255 + _strengths(shares)[..., None] * (colors - 255)
    side = max(1, _PICTURE_PX // size) * size
    image = Image.fromarray(pixels.round().astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    return data_uri(encode_image(image, "PNG", optimize=True), "PNG")
