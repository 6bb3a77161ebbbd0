"""Name what is on photographs, with a network that needs nothing but its file."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from yacs.config import CfgNode

from pycls.core.distributed import pick_device
from pycls.core.logging import print_line
from pycls.core.registry import pick
from pycls.datasets import DATASETS, build_loader
from pycls.datasets.loader import Batch
from pycls.datasets.readers.endings import FORMATS, describe_left_out
from pycls.datasets.readers.folder_scan import scan_folder
from pycls.datasets.readers.samples import FileSamples, pack_names
from pycls.engine.network.forward import forward
from pycls.engine.network.precision import pick_precision
from pycls.inference.predictions import Prediction
from pycls.inference.saved_network import SavedNetwork


def predict_words(backend: str = "auto") -> list[str]:
    """Return the KEY VALUE pairs by which a training's config serves for files on this machine."""
    loader = {"BACKEND": backend, "AUTO_WORKERS": "True", "ON_BAD_IMAGE": "skip", "SKIP_LIST": ""}
    return [word for key, value in loader.items() for word in (f"DATA_LOADER.{key}", value)] + ["NUM_GPUS", "1"]


def predict(network: SavedNetwork, paths: Sequence[str], topk: int = 5) -> Iterator[Prediction]:
    """Yield the `topk` classes (all, if there are fewer) of every image in files and folders, in order.

    With TEST.HFLIP they are those of the mean logits of the image and its mirror image, as in evaluation.
    Images that cannot be read come with an error. ValueError for a path that is not there and a folder without images.
    """
    if topk < 1:
        raise ValueError(f"topk must be at least 1, got {topk}")
    files, names = list_images(paths), network.names()
    cfg = eval_cfg(network, len(files))
    device = pick_device(cfg.DEVICE)
    precision = pick_precision(device, cfg.TRAIN.MIXED_PRECISION and device.type == "cuda", cfg.TRAIN.AMP_DTYPE)
    model = network.model.to(device)
    with contextlib.closing(build_loader(cfg, "test", device, file_samples(files))) as loader:
        for batch in loader.epoch(0):
            probs, uncertainty = torch.zeros(0, len(names)), None
            if len(batch.images):
                with torch.inference_mode():
                    logits, uncertainty = forward(model, batch.images, precision, cfg.TEST.HFLIP)
                probs = logits.softmax(1).cpu()
            yield from _named(batch, probs, uncertainty, files, names, topk)


def pick_topk(asked: int | None, network: SavedNetwork) -> int:
    """Return how many classes to tell of each image: 5, or all of fewer, where None is asked; ValueError for more."""
    count = network.cfg.MODEL.NUM_CLASSES
    if asked is not None and not 1 <= asked <= count:
        raise ValueError(f"--topk {asked}: expected 1 to {count}, {network.path} knows {count} classes")
    return min(5, count) if asked is None else asked


def _named(
    batch: Batch,
    probs: torch.Tensor,
    uncertainty: torch.Tensor | None,
    files: Sequence[str],
    names: Sequence[str],
    topk: int,
) -> Iterator[Prediction]:
    """Yield the predictions of a batch in the order of its files, from probabilities (M, K) of those that were read.

    Uncertainty (M,), if the network has one, is that of the first class of each.
    """
    best = probs.topk(min(topk, len(names)), dim=1)
    found = {failure.index: Prediction(files[failure.index], error=failure.reason) for failure in batch.failures}
    doubts = [None] * len(probs) if uncertainty is None else uncertainty.tolist()
    rows = zip(batch.indices.tolist(), best.values.tolist(), best.indices.tolist(), doubts, strict=True)
    for index, values, classes, doubt in rows:
        labels = tuple(names[number] for number in classes)
        found[index] = Prediction(files[index], labels, tuple(classes), tuple(values), uncertainty=doubt)
    yield from (found[index] for index in sorted(found))


def list_images(paths: Sequence[str]) -> list[str]:
    """Return the files named, and the images below the folders named, each folder sorted, as training lists them.

    What else lies in a folder is told in one line on standard error.
    """
    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            files += _images_below(path)
        elif os.path.isfile(path):
            files.append(path)
        else:
            there = os.path.exists(path)
            raise ValueError(
                f"{path}: {'is no image, but a pipe, socket or device' if there else 'no such image or folder'}"
            )
    if not files:
        raise ValueError("no images: give files or folders")
    return files


def _images_below(folder: str) -> list[str]:
    images, left_out = scan_folder(Path(folder))
    told = f"left out {describe_left_out(left_out.counts)}" if len(left_out) else ""
    if not images:
        raise ValueError(f"{folder} holds no images ({', '.join(FORMATS)})" + (f"; {told}" if told else ""))
    if told:
        print_line(f"{folder}: {told}", sys.stderr)
    return [str(Path(folder, image)) for image in images]


def file_samples(files: Sequence[str]) -> FileSamples:
    """Return image files as samples that belong to no data set."""
    return FileSamples("", pack_names(files), np.zeros(len(files), np.int64), ("unknown",))


def eval_cfg(network: SavedNetwork, num_images: int) -> CfgNode:
    """Return the network's config for files that are no data set; one of array data sees them at its own size."""
    cfg = network.cfg.clone()
    cfg.defrost()
    cfg.TEST.DATASET = network.dataset or "imagenet"
    cfg.TEST.BATCH_SIZE = min(cfg.TEST.BATCH_SIZE, num_images)
    if pick(DATASETS, cfg.TEST.DATASET, "TEST.DATASET").im_size:
        cfg.TEST.IM_SIZE = cfg.TRAIN.IM_SIZE
    cfg.freeze()
    return cfg
