"""Whether DALI's decoder reads a file, for check_data: the verdict only, as DALI shows crops."""

import numpy as np
import torch

from pycls.datasets.backends.dali_pipeline import DEPTH, DaliPipeline, build_feed, check_dali
from pycls.datasets.decoders.image_header import Header
from pycls.datasets.transforms.view import View, boxes, filters

_VIEW = View(False, 224, 256, (1, 1), (1, 1), 0.0, "torchvision", True, seed=0)


class DaliDecoder:
    """Decode one file at a time; the pipeline is built where it is first used, in a worker process."""

    def __init__(self) -> None:
        check_dali("dali_cpu", torch.device("cpu"))
        self._pipeline: DaliPipeline | None = None

    def __call__(self, data: bytes, header: Header) -> None:
        """Raise ValueError if DALI cannot read the file; files that the backend gives to Pillow are not tried."""
        if not header.common:
            return
        size = np.array([header[:2]], np.float64)
        box = boxes(_VIEW, 0, np.array([0]), size[:, 0], size[:, 1])
        feed = build_feed([data], size, box, np.array([False]), filters(_VIEW, 0, np.array([0])), _VIEW)
        try:
            self._pipeline = self._pipeline or DaliPipeline(_VIEW, num_threads=1, device_id=None, max_batch=1)
            for _ in range(DEPTH):  # the graph is DEPTH deep, and must be left as it was
                self._pipeline.send(feed)
            for _ in range(DEPTH):
                self._pipeline.receive()
        except RuntimeError as error:
            self._pipeline = None  # broken now
            raise ValueError("DALI cannot decode it") from error
