"""Measure how far the backends' pixels are from each other and from Pillow, for every kind of file and view.

    python -m benchmarks.loaders.pixel_agreement  # prints the tables, writes benchmarks/PIXELS.md, docs/LOADERS.md

Numbers are gray levels of 255: mean absolute difference, its 99.9th percentile and its maximum over all pixels.
"""

import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.report import ROOT, command_line, describe_machine, publish
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View
from tests.helpers.backends import CLASSES, draw, make_backend, make_view
from tests.helpers.photographs import write_photographs
from tests.helpers.reference import open_rgb, reference_square

_TARGET = ROOT / "benchmarks/PIXELS.md"
_SUMMARY = ROOT / "docs/LOADERS.md"
_VIEWS = {
    "train, bilinear": make_view(train=True),
    "eval, bilinear": make_view(train=False),
    "train, bicubic": make_view(train=True, interpolation="bicubic"),
    "eval, bicubic": make_view(train=False, interpolation="bicubic"),
    "train, plain": make_view(train=True, antialias=False),
    "eval, plain": make_view(train=False, antialias=False),
}
_EPOCHS = 8  # crops of each photograph in the training view
_REFERENCE = "Pillow"
Pixels = dict[str, np.ndarray]


def all_pixels(samples: FileSamples, view: View) -> Pixels:
    """Return name -> uint8 (E, N, S, S, 3) of every backend, and of Pillow, in E epochs."""
    epochs = range(_EPOCHS if view.train else 1)
    pixels = {_REFERENCE: np.stack([reference_pixels(samples, view, epoch) for epoch in epochs])}
    for name in CLASSES:
        backend = make_backend(name, samples, view)
        pixels[name] = np.stack([draw(backend, epoch, [range(len(samples))]) for epoch in epochs])
        backend.close()
    return pixels


def reference_pixels(samples: FileSamples, view: View, epoch: int) -> np.ndarray:
    """Return the pixels of Pillow (without antialias: SciPy) in one epoch, uint8 (N, S, S, 3)."""
    indices = np.arange(len(samples))
    data = [samples.read(index) for index in indices]
    widths, heights = np.array([open_rgb(image).size for image in data]).T
    boxes, flips = views.boxes(view, epoch, indices, heights, widths), views.flips(view, epoch, indices)
    cubic = views.filters(view, epoch, indices) == Filter.BICUBIC
    return np.stack([reference_square(data[i], view, boxes[i], flips[i], cubic[i]) for i in indices])


def pair_table(by_view: dict[str, Pixels], reference: str = "") -> str:
    """Return a Markdown table: pair of backends x view; with `reference`, its pairs only."""
    lines = ["| pair | " + " | ".join(by_view) + " |", "| --- |" + " ---: |" * len(by_view)]
    for one, other in combinations(next(iter(by_view.values())), 2):
        if reference in ("", one):
            figures = [_difference(pixels[one], pixels[other]) for pixels in by_view.values()]
            lines.append(f"| {one} - {other} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def kind_table(pixels: Pixels, samples: FileSamples) -> str:
    """Return a Markdown table of one view: kind of file x pair of backends."""
    pairs = list(combinations(pixels, 2))
    header = " | ".join(f"{one} - {other}" for one, other in pairs)
    lines = [f"| file | {header} |", "| --- |" + " ---: |" * len(pairs)]
    for index in range(len(samples)):
        figures = [_difference(pixels[one][:, index], pixels[other][:, index]) for one, other in pairs]
        lines.append(f"| {Path(samples.name(index)).name} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def kind_tables(by_view: dict[str, Pixels], samples: FileSamples) -> str:
    """Return one table for each view, folded up."""
    return "\n\n".join(
        f"<details><summary>Each kind of file: {title}</summary>\n\n{kind_table(pixels, samples)}\n\n</details>"
        for title, pixels in by_view.items()
    )


def _difference(one: np.ndarray, other: np.ndarray) -> str:
    difference = np.abs(one.astype(np.float32) - other)
    return f"{difference.mean():.3f} / {np.percentile(difference, 99.9):.0f} / {difference.max():.0f}"


def main() -> None:
    """Measure, print and write the tables."""
    arguments = command_line(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = write_photographs(Path(folder))
        by_view = {title: all_pixels(samples, view) for title, view in _VIEWS.items()}
    title = f"Mean / 99.9th percentile / maximum of the absolute difference, over all {len(samples)} kinds of file:\n\n"
    text = (
        f"{title}{pair_table(by_view)}\n\n"
        f"{kind_tables(by_view, samples)}\n\n"
        f"Command: `python -m benchmarks.loaders.pixel_agreement`. {describe_machine()}"
    )
    publish("pixel agreement", text, arguments.print_only, _TARGET)
    publish("pixel agreement", title + pair_table(by_view, _REFERENCE), arguments.print_only, _SUMMARY)


if __name__ == "__main__":
    main()
