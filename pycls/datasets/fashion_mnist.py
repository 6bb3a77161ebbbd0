"""Fashion-MNIST (Xiao et al. 2017) from the published IDX files, compressed or not."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from yacs.config import CfgNode

from pycls.core.registry import shown
from pycls.datasets.readers.paths import data_root, find_file, has_data_root
from pycls.datasets.readers.samples import ArraySamples
from pycls.datasets.sources.split_names import resolve_half

MEAN = (0.2860, 0.2860, 0.2860)  # measured on the training images
STD = (0.3530, 0.3530, 0.3530)
SIDE_PX = 28
_MOST_BYTES = 60_000 * SIDE_PX * SIDE_PX  # the training images

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
ADVICE = "put the four published .gz files there, or run 'apt-get install dataset-fashion-mnist' (Debian, Ubuntu)"


def build_fashion_mnist(cfg: CfgNode, phase: str) -> ArraySamples:
    """Load one split ("val" is the test split) from the data folder, if one is given, else from Debian's package."""
    folders = [DEBIAN_FOLDER]
    if has_data_root(cfg.DATA_DIR):
        root = data_root(cfg.DATA_DIR)
        folders = [root, root / "fashion_mnist", DEBIAN_FOLDER]
    return load_fashion_mnist(
        folders, resolve_half(cfg[phase.upper()].SPLIT, f"{phase.upper()}.SPLIT", "fashion_mnist")
    )


def load_fashion_mnist(folders: list[Path], split: str) -> ArraySamples:
    """Load `train` or `test` from the first folder that has it."""
    split, prefix = ("train", "train") if split == "train" else ("test", "t10k")
    images = load_idx(_find(folders, f"{prefix}-images-idx3-ubyte"))
    labels = load_idx(_find(folders, f"{prefix}-labels-idx1-ubyte")).astype(np.int64)
    if images.shape != (len(labels), SIDE_PX, SIDE_PX) or labels.max() >= len(CLASSES):
        raise ValueError(
            f"fashion_mnist {split}: images {images.shape} and labels {labels.shape} do not belong together"
        )
    return ArraySamples(images[..., None], labels, CLASSES, f"fashion_mnist {split}")


def load_idx(file: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes (LeCun's MNIST format): 0, 0, 8, rank, big-endian sizes, then the values."""
    try:
        with _open(file) as stream:
            head = stream.read(4)
            rank = head[3] if head[:3] == b"\x00\x00\x08" and len(head) > 3 else 0
            shape = np.frombuffer(stream.read(4 * rank).ljust(4 * rank, b"\xff"), dtype=">u4").tolist()
            size = math.prod(shape)
            if rank and size > _MOST_BYTES:
                raise ValueError(f"{file} claims to hold {shown(shape)} bytes; what was published is less")
            content = stream.read(size + 1) if rank else b""
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if rank == 0 or size != len(content):
        raise ValueError(f"{file} is not a complete IDX file of unsigned bytes")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()  # a writable array, as torch wants


def _open(file: Path) -> BinaryIO:
    """Open a file to be read bit by bit: a few kilobytes may unpack to gigabytes."""
    if file.stat().st_size > 2 * _MOST_BYTES:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes, the files that were published have fewer")
    return cast(BinaryIO, gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _find(folders: list[Path], name: str) -> Path:
    return find_file(folders, (f"{name}.gz", name), ADVICE)
