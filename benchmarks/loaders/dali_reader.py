"""The peer of the dali backends: DALI's own reader, shuffle and random crop, in the form of NVIDIA's examples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch


def read_with_dali(
    folder: Path, *, train: bool, antialias: bool, num_workers: int, batch_size: int
) -> Iterator[torch.Tensor]:
    """Yield uint8 (B, 224, 224, 3) batches of a class-folder tree, epoch after epoch without end.

    Chroma is upsampled as in our pixel contract, not as coarsely as by DALI's default. In evaluation the region is the
    center of each image in DALI's own words: as much work, not quite our geometry.
    """
    pipe = _build_graph(folder, train, antialias, num_workers, batch_size)
    while True:
        (squares,) = pipe.share_outputs()
        yield torch.from_dlpack(squares.as_tensor())
        pipe.release_outputs()
        pipe.schedule_run()


def _build_graph(folder: Path, train: bool, antialias: bool, num_workers: int, batch_size: int) -> Any:
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(
        batch_size=batch_size, num_threads=num_workers, device_id=None, prefetch_queue_depth=2, exec_dynamic=True
    )
    def graph() -> Any:
        options = {"output_type": types.RGB, "jpeg_fancy_upsampling": True}
        data, _ = fn.readers.file(file_root=str(folder), random_shuffle=train)
        if not train:
            image = fn.decoders.image(data, **options)
            image = fn.resize(image, resize_shorter=256, interp_type=types.INTERP_LINEAR, antialias=antialias)
            return fn.crop(image, crop=(224, 224))
        crop = {"random_area": [0.08, 1.0], "random_aspect_ratio": [3 / 4, 4 / 3]}
        image = fn.decoders.image_random_crop(data, **options, **crop)
        square = fn.resize(image, size=(224, 224), interp_type=types.INTERP_LINEAR, antialias=antialias)
        return fn.flip(square, horizontal=fn.random.coin_flip())

    pipe = graph()
    pipe.build()
    for _ in range(2):
        pipe.schedule_run()
    return pipe
