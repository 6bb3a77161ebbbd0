"""The file backends under test, and short ways to run them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch

from pycls.datasets.backends.base import BackendOptions, FileBackend
from pycls.datasets.backends.custom import CustomBackend
from pycls.datasets.backends.dali import DaliBackend
from pycls.datasets.backends.torch_dataloader import TorchBackend
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.transforms.view import View

CPU = torch.device("cpu")
CLASSES = {
    "custom": CustomBackend,  # with the C extension if it is built
    "custom_opencv": partial(CustomBackend, decoder="opencv"),
    "torch": TorchBackend,
    "dali_cpu": DaliBackend,
}
# For `parametrize`: DALI is optional, so are its tests.
NAMES = [pytest.param(name, marks=pytest.mark.dali) if "dali" in name else name for name in CLASSES]


def make_view(train: bool = True, antialias: bool = True, size: int = 224, resize: int = 256, **more: object) -> View:
    """Return a view with ImageNet's crops; `more` are further fields, or other values of these."""
    crops = {"area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3), "flip_prob": 0.5, "crop_style": "torchvision", "seed": 1}
    return View(**{"train": train, "size": size, "resize": resize, "antialias": antialias} | crops | more)


# One of each kind: both phases, every filter.
VIEWS = {
    "train": make_view(train=True),
    "train-plain": make_view(train=True, antialias=False),
    "train-random": make_view(train=True, interpolation="random"),
    "train-center": make_view(train=True, crop_style="center"),
    "eval": make_view(train=False),
    "eval-plain": make_view(train=False, antialias=False),
    "eval-bicubic": make_view(train=False, interpolation="bicubic"),
}


def make_backend(
    name: str, samples: FileSamples, view: View, num_workers: int = 2, decoder: str = "", **options: object
) -> FileBackend:
    """Build a backend on the CPU; `decoder` is the custom backend's, "" its default."""
    if name.startswith("dali"):
        pytest.importorskip("nvidia.dali")
    common = {"num_workers": num_workers, "prefetch": 2, "pin_memory": False, "device": CPU, "max_batch": 32}
    own = {"decoder": decoder} if decoder else {}
    return CLASSES[name](samples, view, BackendOptions(**common | options), **own)


def draw(backend: FileBackend, epoch: int, index_batches: Sequence[Sequence[int]]) -> np.ndarray:
    """Return all images of an epoch, uint8 (N, S, S, 3)."""
    batches = backend.batches(epoch, [np.asarray(indices, np.int64) for indices in index_batches])
    return np.concatenate([batch.cpu().numpy().copy() for batch in batches])


def torch_workers(backend: TorchBackend) -> list[int]:
    """Return the process numbers of a torch backend's workers."""
    return [worker.pid for worker in backend._loader._iterator._workers]
