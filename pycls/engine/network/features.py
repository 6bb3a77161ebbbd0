"""Feature vectors: what the classifier of a network gets of each image, written while the network is evaluated.

The classifier is the last linear layer or convolution that a network calls, of whatever family or library; a hook reads
its input. So memory stays flat, and features are those of the very pass that was counted: precision, mirror images.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pycls.core.atomic_io import atomic_file
from pycls.core.distributed import barrier, gather_objects, is_main, rank


@contextlib.contextmanager
def recorded_features(model: nn.Module, path: Path, num_views: int = 1) -> Iterator[None]:
    """Write the features of all images that the network sees meanwhile to a .npy file, float32 (N, D), at the end.

    Of `num_views` calls in a row, which show views of the same images, the mean is written. Every process writes its
    share beside `path`, which is in one folder for all of them; the shares follow each other by rank.
    """
    barrier()  # the main process has made the folder
    part = path.with_name(f".{path.name}.{rank()}.part")
    try:
        with part.open("wb") as file, contextlib.closing(Tap(model, num_views, file.write)) as tap:
            yield
        shares = gather_objects((str(part), tap.width))
        if is_main():
            _join([(Path(name), width) for name, width in shares if width], path)
        barrier()
    finally:
        part.unlink(missing_ok=True)


class Tap:
    """Hands the input of a network's classifier to `write`, as float32 rows, after every `num_views` calls."""

    def __init__(self, model: nn.Module, num_views: int, write: Callable[[bytes], Any]):
        self.width = 0  # values of a row, 0 before the first
        self._num_views, self._write = num_views, write
        self._latest: tuple[nn.Module, Tensor] | None = None
        self._views: list[Tensor] = []
        layers = [layer for layer in model.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
        self._hooks = [layer.register_forward_pre_hook(self._note) for layer in layers]
        self._hooks.append(model.register_forward_hook(self._end))

    def close(self) -> None:
        """Leave the network as it was."""
        for hook in self._hooks:
            hook.remove()

    def _note(self, layer: nn.Module, inputs: tuple) -> None:
        self._latest = layer, inputs[0]

    def _end(self, model: nn.Module, inputs: tuple, logits: Tensor) -> None:
        if self._latest is None or _num_outputs(self._latest[0]) != logits.shape[1]:
            raise ValueError(
                f"TEST.FEATURES True: the last layer of {type(model).__name__} is no classifier with an output for "
                "each class, so there is no input of it to write; set TEST.FEATURES False"
            )
        self._views.append(_vectors(*self._latest))
        if len(self._views) == self._num_views:
            rows = torch.stack(self._views).mean(0).cpu().numpy()  # (N, D)
            self._views, self.width = [], rows.shape[1]
            self._write(np.ascontiguousarray(rows, "<f4").tobytes())


def _num_outputs(layer: nn.Module) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels  # type: ignore[return-value]


def _vectors(layer: nn.Module, values: Tensor) -> Tensor:
    """Return the features of each image, float32 (N, D): means over positions where the layer has several."""
    values = values.float()
    if values.dim() == 2:
        return values
    return values.flatten(1, -2).mean(1) if isinstance(layer, nn.Linear) else values.flatten(2).mean(2)


def _join(parts: list[tuple[Path, int]], path: Path) -> None:
    """Put the shares of all processes, each with its width, one after the other into one .npy file."""
    for part, _ in parts:
        if not part.is_file():
            raise ValueError(f"TEST.FEATURES True: {part} is not there; OUT_DIR must be one folder for all processes")
    width = parts[0][1]
    rows = sum(os.path.getsize(part) for part, _ in parts) // (4 * width)
    with atomic_file(path) as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for part, _ in parts:
            with part.open("rb") as share:
                shutil.copyfileobj(share, file, 1 << 20)
