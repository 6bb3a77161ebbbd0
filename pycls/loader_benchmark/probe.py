"""Try every backend once: which ones run here, how fast about, and what they show of the same images."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from yacs.config import CfgNode

from pycls.core.processes.temporary import temporary_folder
from pycls.datasets.decoders import pillow
from pycls.datasets.decoders.bands import decode_pixels
from pycls.datasets.decoders.orientation import UPRIGHT, read_orientation, turn_upright
from pycls.datasets.readers.subset import Subset
from pycls.datasets.transforms import view as views
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View, build_view
from pycls.loader_benchmark.grid import VIEWS
from pycls.loader_benchmark.measure.runner import run_task
from pycls.loader_benchmark.measure.task import Task
from pycls.loader_benchmark.results import Section, Squares

Rates = dict[str, tuple[float, float]]  # backend -> images/s, seconds to the first batches


def probe_backends(
    section: Section, backends: Sequence[str], task: Task, cfg: CfgNode, samples: Subset, say: Callable[[str], None]
) -> Rates:
    """Fill in the section's squares and the backends that are left out; return what the others do about."""
    rates, shown = {}, {}
    with temporary_folder() as folder:
        for name in backends:
            file = folder / f"{name}.npz"
            words = [*task.overrides, "DATA_LOADER.BACKEND", name]
            answer = run_task(replace(task, kind="probe", overrides=words, pixels_file=str(file)))
            if "error" in answer:
                section.left_out[name] = answer["error"]
                say(f"{name} is left out: {answer['error']}")
                continue
            rates[name] = answer["images_per_sec"], answer["start_sec"]
            shown[name] = dict(np.load(file))
    try:
        section.squares = {phase: _compare(phase, shown, cfg, samples, task.num_squares) for phase in VIEWS}
    except ValueError as error:  # every backend has said so, too
        section.notes.append(f"no pixels are shown: {error}")
    return rates


def _compare(phase: str, shown: dict[str, dict[str, np.ndarray]], cfg: CfgNode, samples: Subset, count: int) -> Squares:
    indices = np.arange(count)
    names = [samples.name(index) for index in range(count)]
    reference = pillow_pixels(samples, build_view(cfg, phase), indices)
    return Squares(names, _three(reference), {name: _three(both[phase]) for name, both in shown.items()})


def _three(squares: np.ndarray) -> np.ndarray:
    """Return what a page can show, uint8: the first three channels, or the first three times."""
    squares = squares if squares.dtype == np.uint8 else np.rint(255 * squares).astype(np.uint8)
    return squares[..., :3] if squares.shape[3] >= 3 else squares[..., [0, 0, 0]]


def _decode(data: bytes, view: View) -> np.ndarray:
    pixels = pillow.decode_rgb(data) if view.is_plain else decode_pixels(data, view.image_shape[2], view.full)
    return turn_upright(pixels, read_orientation(data) if view.exif_rotate else UPRIGHT)


def pillow_pixels(samples: Subset, view: View, indices: np.ndarray) -> np.ndarray:
    """Return what Pillow shows of some images in epoch 0, uint8 (N, S, S, 3): the reference of the pixel contract."""
    images = [_decode(samples.read(index), view) for index in indices]
    heights, widths = np.array([image.shape[:2] for image in images]).T
    boxes, flips = views.boxes(view, 0, indices, heights, widths), views.flips(view, 0, indices)
    looks = zip(images, boxes, flips, map(Filter, views.filters(view, 0, indices)), strict=True)
    return np.stack([pillow.crop_resize(image, view, *look) for image, *look in looks])
