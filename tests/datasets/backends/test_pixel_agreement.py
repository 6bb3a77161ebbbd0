"""Every backend shows the same pixels, and those of Pillow, for every kind of file and view."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View
from tests.helpers.backends import CLASSES, NAMES, VIEWS, draw, make_backend, make_view
from tests.helpers.photographs import encode, write_files
from tests.helpers.reference import open_rgb, reference_square


def _reference(samples: FileSamples, view: View, epoch: int) -> np.ndarray:
    indices = np.arange(len(samples))
    images = [samples.read(index) for index in indices]
    sizes = np.array([open_rgb(data).size for data in images])
    boxes = views.boxes(view, epoch, indices, sizes[:, 1], sizes[:, 0])
    flips, cubic = views.flips(view, epoch, indices), views.filters(view, epoch, indices) == Filter.BICUBIC
    looks = zip(images, boxes, flips, cubic, strict=True)
    return np.stack([reference_square(image, view, *look) for image, *look in looks])


@pytest.fixture(scope="module", params=VIEWS.values(), ids=VIEWS)
def shown(request: pytest.FixtureRequest, photographs: FileSamples) -> tuple[View, dict[str, np.ndarray]]:
    """Return a view, and backend name -> (N, 224, 224, 3) of it, the reference among them."""
    view = request.param
    epochs = (0, 1) if cuts_boxes(view) else (0,)
    result = {"reference": np.concatenate([_reference(photographs, view, epoch) for epoch in epochs])}
    for name in CLASSES:
        try:
            backend = make_backend(name, photographs, view)
        except pytest.skip.Exception:  # DALI is not installed: the others are still compared
            continue
        result[name] = np.concatenate([draw(backend, epoch, [range(len(photographs))]) for epoch in epochs])
        backend.close()
    return view, result


def cuts_boxes(view: View) -> bool:
    """Tell whether a view's filter sees what is cut out and nothing around it."""
    return view.train and view.crop_style == "torchvision"


def _limit(view: View) -> float:
    """Return the largest mean difference that the contract allows, in gray levels."""
    return 0.3 if view.antialias else 0.5


def _check(squares: dict[str, np.ndarray], limit: float, photographs: FileSamples, where: np.ndarray) -> None:
    """Compare any two of the backends on the pixels `where`, image by image."""
    for one, other in combinations(squares, 2):
        difference = np.abs(squares[one].astype(float) - squares[other])[:, where].mean(axis=(1, 2))
        worst = int(difference.argmax())
        name = photographs.name(worst % len(photographs))
        assert difference[worst] < limit, f"{one} and {other} differ by {difference[worst]:.2f} in {name}"


def test_every_image_agrees_in_every_backend(shown, photographs):
    view, squares = shown
    _check(squares, _limit(view), photographs, where=np.full((view.size, view.size), True))


def test_the_edge_of_the_eval_view_agrees_too(shown, photographs):
    # The filter must see what lies just outside. (Of random crops DALI's region decoder lacks the chroma around them.)
    view, squares = shown
    edge = np.full((view.size, view.size), True)
    edge[1:-1, 1:-1] = False
    if not cuts_boxes(view):
        _check(squares, _limit(view), photographs, where=edge)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_box_is_the_one_of_the_plan(name, train, tmp_path):
    # Red counts columns and green rows, so that the shown square tells where it was cut.
    rows, columns = np.mgrid[0:250, 0:200].astype(np.uint8)
    ramp = encode(Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2)), "PNG")
    samples = write_files(tmp_path, {f"{number}.png": ramp for number in range(12)})
    view = make_view(train, size=64, resize=72)
    backend = make_backend(name, samples, view)
    squares = draw(backend, 0, [range(12)]).astype(float)
    backend.close()
    boxes = views.boxes(view, 0, np.arange(12), np.full(12, 250), np.full(12, 200))
    middle = squares[..., :2].mean(axis=(1, 2))
    assert np.allclose(middle[:, 1], boxes[:, 0] + boxes[:, 2] / 2 - 0.5, atol=0.5)
    assert np.allclose(middle[:, 0], boxes[:, 1] + boxes[:, 3] / 2 - 0.5, atol=0.5)
    mirrored = squares[:, 0, 0, 0] > squares[:, 0, -1, 0]
    assert mirrored.tolist() == views.flips(view, 0, np.arange(12)).tolist()
    assert mirrored.any() == train
