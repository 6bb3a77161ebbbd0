"""The surest mistakes of an evaluation, in words, and an image to try the network on."""

from typing import Any

from pycls.core.registry import printable
from pycls.datasets.readers.samples import FileSamples, Samples
from pycls.engine.reporting.evaluation import Evaluation

NUM_SHOWN = 5


def mistakes_and_example(test: Evaluation | None, samples: Samples | None) -> dict[str, Any]:
    """Return the fields of a Result: a line for each of the surest mistakes, and one of the evaluated files.

    Only files can be looked at by their names: of other samples there are neither.
    """
    found = None if test is None else test.predictions
    if found is None or not isinstance(samples, FileSamples):
        return {}
    rows = found.surest_mistakes(NUM_SHOWN)
    lines = []
    for row in rows:
        true, guess = (samples.classes[number] for number in (found.labels[row], found.classes[row, 0]))
        lines.append(
            printable(f"{samples.name(found.indices[row])}: {true} -> {guess} ({100 * found.probs[row, 0]:.1f} %)")
        )
    return {"mistakes": lines, "example": samples.name(found.indices[0])}
