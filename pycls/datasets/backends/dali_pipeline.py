"""The DALI graph: encoded bytes and a region in, (S, S, 3) squares out. The only file that imports nvidia.dali."""

import importlib.util
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from pycls.core.config.im_size import sides
from pycls.datasets.decoders.png_chunks import without_notes
from pycls.datasets.transforms.interpolation import Filter
from pycls.datasets.transforms.view import View

# Batches inside the pipeline, so that the end of one overlaps the start of the next.
DEPTH = 2
_DUMMY_SIDE = 8


@dataclass(frozen=True)
class Feed:
    """One batch for the graph; the field names are those of its inputs.

    `start` and `shape` are whole pixels, cut out while decoding; the roi is the exact part of them that is resized.
    """

    data: list[np.ndarray]  # encoded files, uint8 (bytes,)
    start: np.ndarray  # int32 (n, 2): top, left of the decoded region
    shape: np.ndarray  # int32 (n, 2): its height and width
    roi_start: np.ndarray  # float32 (n, 2): top, left of the crop inside the decoded region
    roi_end: np.ndarray  # float32 (n, 2): bottom, right; a left edge beyond the right one mirrors
    filter: np.ndarray  # int32 (n,): DALIInterpType


def build_feed(
    data: list[bytes], sizes: np.ndarray, boxes: np.ndarray, flips: np.ndarray, filters: np.ndarray, view: View
) -> Feed:
    """Turn (n, 4) boxes in images of (n, 2) heights and widths into decoded regions and exact parts of them."""
    from nvidia.dali import types

    begin, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    # A random crop ends at its box. The middle is cut from a resized whole: the filter sees what lies around it.
    reach = np.where(filters == Filter.BICUBIC, 2, 1)[:, None]
    margin = 0 if view.crops_randomly else np.ceil(reach * np.maximum(boxes[:, 2:] / sides(view.size), 1)) + 1
    start = np.maximum(np.floor(begin - margin), 0)
    stop = np.minimum(np.ceil(end + margin), sizes)
    roi_start, roi_end = (begin - start).astype(np.float32), (end - start).astype(np.float32)
    roi_start[flips, 1], roi_end[flips, 1] = roi_end[flips, 1], roi_start[flips, 1]
    buffers = [np.frombuffer(without_notes(file), np.uint8) for file in data]
    kinds = np.where(filters == Filter.BICUBIC, int(types.INTERP_CUBIC), int(types.INTERP_LINEAR)).astype(np.int32)
    return Feed(buffers, start.astype(np.int32), (stop - start).astype(np.int32), roi_start, roi_end, kinds)


def pick_row(feed: Feed, row: int) -> Feed:
    """Return a batch of one image."""
    return Feed(**{name: value[row : row + 1] for name, value in vars(feed).items()})


def dummy_image() -> tuple[bytes, np.ndarray, np.ndarray]:
    """Return a small valid (file, size (2,), box (4,)) to stand in for an image that does not go through DALI."""
    buffer = io.BytesIO()
    Image.new("RGB", (_DUMMY_SIDE, _DUMMY_SIDE)).save(buffer, "JPEG")
    return buffer.getvalue(), np.full(2, float(_DUMMY_SIDE)), np.array([0.0, 0.0, _DUMMY_SIDE, _DUMMY_SIDE])


class DaliPipeline:
    """A running graph: `send` batches and `receive` them in order, at most DEPTH on the way.

    A RuntimeError from either ends the graph; build a new one.
    """

    def __init__(self, view: View, *, num_threads: int, device_id: int | None, max_batch: int):
        self._pipe = _build_graph(view, num_threads, device_id, max_batch)
        self._stream = None if device_id is None else torch.cuda.current_stream(device_id)
        # DALI starts DEPTH batches when it first runs. Dummies are spent on that, so that later one `send` starts one.
        file, size, box = dummy_image()
        for _ in range(DEPTH):
            self._put(build_feed([file], size[None], box[None], np.array([False]), np.array([Filter.BILINEAR]), view))
        self._pipe.schedule_run()
        for _ in range(DEPTH):
            self.receive()

    def send(self, feed: Feed) -> None:
        """Start one batch."""
        self._put(feed)
        self._pipe.schedule_run()

    def receive(self) -> torch.Tensor:
        """Wait for the oldest batch, uint8 (n, S, S, 3) on the graph's device; the memory is the caller's to keep."""
        (squares,) = self._pipe.share_outputs(self._stream)
        batch = torch.from_dlpack(squares.as_tensor())
        self._pipe.release_outputs()
        return batch

    def _put(self, feed: Feed) -> None:
        for name, value in vars(feed).items():
            self._pipe.feed_input(name, value)


_INSTALL = "pip install 'nvidia-dali-cuda130>=2.2'"
_OLDEST = (2, 2)  # the first whose decoders can leave EXIF orientation alone


def _check_version(backend: str) -> None:
    from nvidia.dali import __version__

    if tuple(int(part) for part in __version__.split(".")[:2]) < _OLDEST:
        raise ValueError(f"DATA_LOADER.BACKEND: '{backend}' needs a newer NVIDIA DALI than {__version__}: {_INSTALL}")


def check_dali(backend: str, device: torch.device) -> None:
    """Raise ValueError when DALI is not installed or too old, or when "dali_gpu" has no CUDA device."""
    if importlib.util.find_spec("nvidia") is None or importlib.util.find_spec("nvidia.dali") is None:
        raise ValueError(f"DATA_LOADER.BACKEND: '{backend}' needs NVIDIA DALI: {_INSTALL}")
    _check_version(backend)
    if backend == "dali_gpu" and device.type != "cuda":
        raise ValueError(
            f"DATA_LOADER.BACKEND: 'dali_gpu' decodes on a CUDA device, but the device is '{device}'; "
            "use 'dali_cpu', 'custom' or 'torch'"
        )


def _build_graph(view: View, num_threads: int, device_id: int | None, max_batch: int) -> Any:
    """Define and build the graph; on the CPU when `device_id` is None."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(
        batch_size=max_batch,
        num_threads=num_threads,
        device_id=device_id,
        prefetch_queue_depth=DEPTH,
        exec_dynamic=True,  # outputs may outlive the next run
    )
    def graph() -> Any:
        image = fn.decoders.image_slice(
            fn.external_source(name="data", dtype=types.UINT8, ndim=1),
            device="cpu" if device_id is None else "mixed",
            start=fn.external_source(name="start", dtype=types.INT32, ndim=1),
            shape=fn.external_source(name="shape", dtype=types.INT32, ndim=1),
            axes=(0, 1),
            output_type=types.RGB,
            adjust_orientation=False,  # EXIF orientation is ignored everywhere
            jpeg_fancy_upsampling=True,  # smooth chroma, as libjpeg-turbo; nvJPEG's default is not
        )
        return fn.resize(
            image,
            size=sides(view.size),
            roi_start=fn.external_source(name="roi_start", dtype=types.FLOAT, ndim=1),
            roi_end=fn.external_source(name="roi_end", dtype=types.FLOAT, ndim=1),
            interp_type=fn.cast(fn.external_source(name="filter", dtype=types.INT32, ndim=0), dtype=types.INTERP_TYPE),
            antialias=view.antialias,
        )

    pipe = graph()
    pipe.build()
    return pipe
